"""GGUF files: what a file says of itself, and transformers' own loader kept within memory, quick and quiet.

Reading is transformers' (it maps names and dequantises by the `gguf` package). Six things are added: the
file type is read from the header alone; a file is parsed once for config, tokenizer and weights; its
vocabulary is parsed as bytes, not as two numpy views a word, which take seconds and half a gigabyte; bars are
drawn on a terminal only; large tensors are dequantised a few thousand rows at a time, because a whole
embedding's intermediate copies in float32 would need more memory than the model itself; and of a model that
is loaded in part, tensors of later blocks are not listed, because transformers dequantises what is listed.
"""

import functools
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from latentguard.errors import ModelNotFound

_ROWS = 4096
_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ONE_AT_A_TIME = threading.Lock()


def file_type(path: Path) -> str:
    """The quantisation that a GGUF file states (`Q4_K_M`, `F16`). Raises `ModelNotFound` for other files."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelNotFound(f"{path.name} is no GGUF file (it does not begin with the letters GGUF).")
        try:
            return _stated_type(file)
        except (struct.error, ValueError, MemoryError, OverflowError) as error:
            raise ModelNotFound(f"{path.name} has a header that cannot be read: is it damaged?") from error


def _stated_type(file: BinaryIO) -> str:
    _version, _tensors, fields = struct.unpack("<IQQ", file.read(20))
    for _ in range(fields):
        key = _string(file)
        value = _value(file, _number(file, 4))
        if key == "general.file_type":
            from gguf import LlamaFileType

            return LlamaFileType(value).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    return "of unstated type"


@contextmanager
def transformers_reading(blocks: int | None = None) -> Generator[None]:
    """Inside this block transformers reads a GGUF file as this package wants it; for one thread at a time.

    `blocks`: tensors of later blocks are passed over.
    """
    with _ONE_AT_A_TIME, parsing_once(blocks), dequantising_by_rows(), bars_on_a_terminal():
        yield


@contextmanager
def parsing_once(blocks: int | None = None) -> Generator[None]:
    """Inside this block the `gguf` package parses a file, and lists the names of its tensors, only once.

    transformers asks for the first three times or more, and for the second once for every submodule.
    """
    import gguf

    def reader(own: Any) -> Any:
        return functools.cache(_listing_the_first(blocks, _reading_words_as_bytes(own)))

    with _replaced(gguf, "GGUFReader", reader), _replaced(gguf, "get_tensor_name_map", functools.cache):
        yield


def _reading_words_as_bytes(reader: Any) -> Any:
    """The package's reader, whose fields hold the strings of an array as `bytes`, without their lengths.

    A field's `parts[i]` for i in `data` are its elements, as in the package's own. Where a release of it goes
    about arrays in another way, this changes nothing.
    """

    class Reader(reader):
        def _get_field_parts(self, orig_offs: int, raw_type: Any) -> Any:
            kind, size = struct.Struct("<IQ"), struct.Struct("<Q")
            held = memoryview(self.data)
            if raw_type != _ARRAY or self.byte_order == "S" or len(held) < orig_offs + kind.size:
                return super()._get_field_parts(orig_offs, raw_type)
            inner, count = kind.unpack_from(held, orig_offs)
            if inner != _STRING:
                return super()._get_field_parts(orig_offs, raw_type)
            end, words = orig_offs + kind.size, list[_Word]()
            for _ in range(count):
                start = end + size.size
                end = start + size.unpack_from(held, end)[0]
                if end > len(held):
                    raise ValueError("the file ends early")
                words.append(_Word(held[start:end]))
            return end - orig_offs, words, list(range(count)), [_value_type(_ARRAY), _value_type(_STRING)]

    return Reader


def _listing_the_first(blocks: int | None, reader: Any) -> Any:
    """The reader, whose `tensors` are those of the first `blocks` blocks, and those of none."""
    if blocks is None:
        return reader

    class Reader(reader):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.tensors = [one for one in self.tensors if _block_of(one.name) < blocks]

    return Reader


def _block_of(name: str) -> int:
    """The number in `blk.7.attn_q.weight`; -1 of a tensor outside the blocks."""
    kind, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    return int(number) if kind == "blk" and number.isdecimal() else -1


class _Word(bytes):
    """A string's bytes, with the one method of a numpy array that the package calls on them."""

    __slots__ = ()

    def tobytes(self) -> bytes:
        return bytes(self)


def _value_type(number: int) -> Any:
    from gguf import GGUFValueType

    return GGUFValueType(number)


@contextmanager
def bars_on_a_terminal() -> Generator[None]:
    """Inside this block transformers draws bars on a terminal only, and none once its bars are disabled.

    Its GGUF loader has a bar of its own, which knows neither rule.
    """
    from transformers.utils import logging

    try:
        from transformers import modeling_gguf_pytorch_utils as loader
    except ImportError:  # transformers is moving away from it
        loader = None

    def draw(bar: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        options = {"disable": None} | options  # None: on a terminal only
        return before(bar, arguments, options) if before else bar(*arguments, **options)

    before = logging.set_tqdm_hook(draw)
    try:
        with _replaced(loader, "tqdm", lambda _: logging.tqdm):
            yield
    finally:
        logging.set_tqdm_hook(before)


@contextmanager
def _replaced(module: Any, name: str, by: Callable[[Any], Any]) -> Generator[None]:
    """Inside this block `module.name` is what `by` makes of it; where there is none, nothing is replaced."""
    own = getattr(module, name, None)
    if own is not None:
        setattr(module, name, by(own))
    try:
        yield
    finally:
        if own is not None:
            setattr(module, name, own)


@contextmanager
def dequantising_by_rows() -> Generator[None]:
    """Inside this block the `gguf` package dequantises large tensors a few rows at a time: same values."""
    import gguf

    with _replaced(gguf, "dequantize", _by_rows):
        yield


def _by_rows(whole: Any) -> Any:
    def by_rows(data: Any, kind: Any) -> Any:
        if data.ndim < 2 or len(data) <= _ROWS:
            return whole(data, kind)
        first = whole(data[:_ROWS], kind)
        out = np.empty((len(data), *first.shape[1:]), dtype=first.dtype)
        out[:_ROWS] = first
        for start in range(_ROWS, len(data), _ROWS):
            out[start : start + _ROWS] = whole(data[start : start + _ROWS], kind)
        return out

    return by_rows


def _number(file: BinaryIO, size: int) -> int:
    return int.from_bytes(_bytes(file, size), "little")


def _bytes(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    if len(found) != size:
        raise ValueError("the file ends early")
    return found


def _string(file: BinaryIO) -> str:
    return _bytes(file, _number(file, 8)).decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """One metadata value; arrays are read past."""
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = _number(file, 4), _number(file, 8)
        if inner in _SIZES:
            file.seek(struct.calcsize("<" + _SIZES[inner]) * count, 1)
            return None
        return [_value(file, inner) for _ in range(count)] and None
    if kind not in _SIZES:
        raise ValueError(f"a metadata value of unknown kind {kind}")
    form = "<" + _SIZES[kind]
    return struct.unpack(form, _bytes(file, struct.calcsize(form)))[0]
