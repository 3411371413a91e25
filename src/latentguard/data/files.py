"""Files of prompts, row by row: JSON lines, CSV, TSV, Parquet and plain text.

Every file is UTF-8 (a byte-order mark is accepted, and any line ends) and is read as a stream, so that an
error names the line, and a wrong encoding the byte.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow carries no types)

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from latentguard._text import inert
from latentguard.data.rows import Columns, Place, Row, columnar
from latentguard.errors import BadData

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_CSV_CELL = 64 * 2**20


def rows_of_file(path: Path, columns: Columns) -> Iterator[tuple[Place, Row]]:
    """The rows of a file by its extension. Raises `BadData` where it cannot be read."""
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise BadData(
            f"{inert(str(path))}: files that end in {path.suffix or 'no extension'!r} are not read.\n"
            f"  extensions: {', '.join(_READERS)}\n"
            "  Rename the file after what it holds."
        )
    return read(path, columns)


def _json_lines(path: Path, columns: Columns) -> Iterator[tuple[Place, Row]]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        place = Place(str(path), number)
        try:
            row: object = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadData(
                f"{_at(path, number)}: bad JSON at column {error.colno}: {error.msg}.\n"
                f"  line: {inert(line, limit=120)}\n"
                "  A .jsonl file holds one JSON object a line."
            ) from None
        except RecursionError:
            raise BadData(f"{_at(path, number)}: the JSON is nested too deeply.") from None
        except ValueError:  # Python converts integers of some thousands of digits only
            raise BadData(
                f"{_at(path, number)}: a number has too many digits to be read.\n"
                f"  line: {inert(line, limit=120)}\n"
                "  Write it as a text, in quotation marks."
            ) from None
        if not isinstance(row, dict):
            raise BadData(
                f"{_at(path, number)}: the line is no JSON object.\n"
                f"  line: {inert(line, limit=120)}\n"
                '  Write one object a line, such as {"prompt": "How do I bake bread?"}.'
            )
        yield place, cast("Row", row)


def _comma_separated(path: Path, columns: Columns, *, delimiter: str = ",") -> Iterator[tuple[Place, Row]]:
    table = csv.reader((line for _, line in _lines(path)), delimiter=delimiter, strict=True)
    previous_limit = csv.field_size_limit(_LONGEST_CSV_CELL)
    try:
        header = next(table, None)
        if header is None:
            return
        columns.check(header, _at(path, 1))
        for cells in table:
            if not cells:
                continue
            if len(cells) != len(header):
                raise BadData(
                    f"{_at(path, table.line_num)}: the row has {len(cells)} cells, the header "
                    f"{len(header)}.\n"
                    "  Put quotation marks round cells that hold the separator or a line break."
                )
            row = {name: cell or None for name, cell in zip(header, cells, strict=True)}
            yield Place(str(path), table.line_num), row
    except csv.Error as error:
        raise BadData(f"{_at(path, table.line_num)}: this is no well-formed table: {error}.") from None
    finally:
        csv.field_size_limit(previous_limit)


def _tab_separated(path: Path, columns: Columns) -> Iterator[tuple[Place, Row]]:
    return _comma_separated(path, columns, delimiter="\t")


def _parquet(path: Path, columns: Columns) -> Iterator[tuple[Place, Row]]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            available = [str(name) for name in table.schema_arrow.names]
            columns.check(available, inert(str(path)))
            for batch in table.iter_batches(columns=columns.wanted(available)):
                for row in _rows_of_batch(batch, path, number):
                    number += 1
                    yield Place(str(path), number, "row"), columnar(row)
    except PermissionError:
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        read = f", after row {number}" if number else ""
        raise BadData(
            f"{inert(str(path))}{read}: this is no readable Parquet file.\n"
            f"  {inert(str(error), limit=200)}\n"
            "  It is cut off, damaged or of another kind: write or fetch it again."
        ) from None


def _rows_of_batch(batch: Any, path: Path, before: int) -> list[Row]:
    """The rows of a batch, `before` rows into the file. Raises `BadData` for the first that has no value."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError):
        for index in range(batch.num_rows):
            try:
                batch.slice(index, 1).to_pylist()
            except UnicodeDecodeError as error:
                raise BadData(
                    f"{Place(str(path), before + index + 1, 'row')}: a text is not UTF-8 "
                    f"(byte {error.start} is 0x{error.object[error.start]:02x}).\n"
                    f"  before it: {inert(error.object[: error.start].decode('utf-8')[-60:])}\n"
                    "  Write the file again with its texts as UTF-8."
                ) from None
            except (ValueError, OverflowError) as error:
                raise BadData(
                    f"{Place(str(path), before + index + 1, 'row')}: a value cannot be read.\n"
                    f"  {inert(str(error), limit=200)}\n"
                    "  Write the column as text."
                ) from None
        raise


def _plain_text(path: Path, columns: Columns) -> Iterator[tuple[Place, Row]]:
    name = columns.prompt or "prompt"
    for number, line in _lines(path):
        if line.strip():
            yield Place(str(path), number), {name: line.strip()}


_READERS: dict[str, Callable[[Path, Columns], Iterator[tuple[Place, Row]]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _comma_separated,
    ".tsv": _tab_separated,
    ".parquet": _parquet,
    ".txt": _plain_text,
}
EXTENSIONS = frozenset(_READERS)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line, with its line end."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if number == 1 and raw.startswith(_UTF_16_MARKS):
                raise BadData(f"{_at(path, 1)}: the file is UTF-16, not UTF-8.\n  Save it as UTF-8.")
            skipped = len(_BYTE_ORDER_MARK) if number == 1 and raw.startswith(_BYTE_ORDER_MARK) else 0
            try:
                yield number, raw[skipped:].decode("utf-8")
            except UnicodeDecodeError as error:
                position = skipped + error.start
                raise BadData(
                    f"{_at(path, number)}: byte {offset + position} of the file (0x{raw[position]:02x}) "
                    "is not UTF-8.\n"
                    f"  before it: {inert(raw[skipped:position].decode('utf-8')[-60:])}\n"
                    "  Save the file as UTF-8."
                ) from None
            offset += len(raw)


def _at(path: Path, number: int) -> str:
    return str(Place(str(path), number))
