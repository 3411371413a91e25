"""Prompts of a Hugging Face dataset, by id or folder.

An id is `owner/name`, `owner/name:config` or `owner/name:config:split`; a config may be empty. Loaded by the
`datasets` library, which runs no code of the dataset.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (datasets carries no types)

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from latentguard._text import inert
from latentguard.data.rows import Columns, Place, Row, columnar
from latentguard.errors import BadData

if TYPE_CHECKING:
    from datasets import Dataset

_IDENTIFIER = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?")
_SAVED_TO_DISK = ("dataset_dict.json", "state.json")


def is_dataset_id(source: str) -> bool:
    """Whether `source` is written as the id of a dataset on the hub."""
    return _IDENTIFIER.fullmatch(source) is not None


def rows_of_dataset(source: str, columns: Columns) -> Iterator[tuple[Place, Row]]:
    """The rows of a dataset by its id or folder. Raises `BadData` where there is none, or several splits."""
    dataset = _one_split(source)
    available = list(dataset.column_names)
    columns.check(available, inert(source))
    wanted = dataset.select_columns(columns.wanted(available))
    names = _class_names(wanted, columns.label or "label")
    number = 0
    try:
        for number, row in enumerate(wanted, start=1):
            fields = dict(cast("Row", row))
            value = fields.get(columns.label or "label")
            if names is not None and isinstance(value, int):
                fields[columns.label or "label"] = names[value] if 0 <= value < len(names) else None
            yield Place(source, number, "row"), columnar(fields)
    except (OSError, ValueError, OverflowError) as error:
        raise BadData(
            f"{inert(source)}, after row {number}: a value cannot be read.\n"
            f"  {type(error).__name__}: {inert(str(error), limit=200)}\n"
            "  Load the dataset again, or write its columns as UTF-8 text."
        ) from None


def _class_names(dataset: "Dataset", column: str) -> list[str] | None:
    """What the numbers of a label column stand for, where the dataset says so."""
    from datasets import ClassLabel

    feature = dataset.features.get(column)
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def _one_split(source: str) -> "Dataset":
    from datasets import Dataset

    match = None if Path(source).is_dir() else _IDENTIFIER.fullmatch(source)
    name = match["name"] if match else source
    config = (match["config"] or None) if match else None
    wanted = match["split"] if match else None
    loaded = _loaded(source, name, config)
    if isinstance(loaded, Dataset):
        return loaded
    splits = cast("Mapping[str, Dataset]", loaded)
    if wanted is None and len(splits) == 1:
        return next(iter(splits.values()))
    if wanted is None or wanted not in splits:
        said = "has several splits" if wanted is None else f"has no split {wanted!r}"
        raise BadData(
            f"the dataset {inert(name)} {said}.\n"
            f"  splits: {', '.join(map(str, splits))}\n"
            f"  Name one: {name}:{config or ''}:{next(iter(splits), 'train')}"
        )
    return splits[wanted]


def _loaded(source: str, name: str, config: str | None) -> object:
    from datasets import load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    try:
        if not Path(source).is_dir():
            return load_dataset(name, config)
        folder = Path(source).resolve()
        if any((folder / marker).is_file() for marker in _SAVED_TO_DISK):
            return load_from_disk(str(folder))
        if not folder.name:
            raise ValueError("the root of the file system is no dataset")
        return load_dataset(str(folder))
    except (OSError, ValueError, DatasetsError) as error:
        raise BadData(
            f"no file {inert(source)} is here, and no dataset of that name could be loaded.\n"
            f"  {type(error).__name__}: {inert(str(error), limit=300)}\n"
            "  Give the path of a file, or a dataset as owner/name, owner/name:config or "
            "owner/name:config:split."
        ) from error
