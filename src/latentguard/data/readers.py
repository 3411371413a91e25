"""Prompts from wherever they are kept: a file by its extension, or a Hugging Face dataset by its id.

Columns: `prompt` (a text) or `messages` (a list of {"role", "content"}), and if present `label` (harmful or
harmless), `category`, `attack`, `source`, `lang`, `id`, `base_id`; beside `messages` also `tools`, which the
model was told of. Other columns are left alone.
"""

from pathlib import Path

from latentguard._text import inert
from latentguard.data.files import EXTENSIONS, rows_of_file
from latentguard.data.hub import is_dataset_id, rows_of_dataset
from latentguard.data.prompts import Label, Prompt
from latentguard.data.rows import Columns, prompts_of_rows
from latentguard.errors import BadData


def read_prompts(
    source: str | Path,
    *,
    label: Label | None = None,
    prompt_column: str | None = None,
    label_column: str | None = None,
    with_labels: bool = True,
) -> list[Prompt]:
    """The prompts of a JSONL, CSV, TSV, Parquet or TXT file, or of a dataset (`owner/name:config:split`).

    `label` is given to every row that has none; a row that says otherwise is an error. Rows without a
    `source` are named after the file or dataset. Without `with_labels` a column of labels is left alone like
    any other. Raises `BadData`, with file and line, where a row cannot be used, and where there is nothing to
    read.
    """
    path = _path(source)
    columns = Columns(prompt=prompt_column, label=label_column, labelled=with_labels)
    if path.is_dir():
        rows, name = rows_of_dataset(str(path), columns), str(source)
    elif not path.exists() and _names_a_dataset(str(source)):
        rows, name = rows_of_dataset(str(source), columns), str(source)
    elif path.is_file():
        rows, name = rows_of_file(path, columns), path.stem
    else:
        raise BadData(
            f"there is no file {inert(str(source))}.\n"
            "  Check the path, or give a Hugging Face dataset as owner/name."
        )
    try:
        prompts = list(prompts_of_rows(rows, columns=columns, label=label, source=name))
    except PermissionError:
        raise BadData(f"{inert(str(path))} may not be read: no permission.") from None
    except OSError as error:
        raise BadData(f"{inert(str(path))} cannot be read: {error.strerror or error}.") from None
    if not prompts:
        raise BadData(f"{inert(str(source))} holds no prompts.\n  Give a file with at least one row.")
    return prompts


def _path(source: str | Path) -> Path:
    """Where `source` would be as a file. Raises `BadData` for what no file can be called."""
    if not str(source).strip():
        raise BadData(
            "an empty name was given for a file of prompts.\n"
            "  Give a path, or a Hugging Face dataset as owner/name."
        )
    try:
        path = Path(source).expanduser()
        path.exists()  # raises where the name is too long, or a folder on the way may not be entered
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadData(
            f"there is no file {inert(str(source), limit=200)}.\n  {why}\n"
            "  Check the path, or give a Hugging Face dataset as owner/name."
        ) from None
    return path


def _names_a_dataset(source: str) -> bool:
    return Path(source).suffix.lower() not in EXTENSIONS and is_dataset_id(source)
