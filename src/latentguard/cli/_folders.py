"""A folder of results appears whole or not at all, and never in place of something that is not ours."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from latentguard.cli._errors import OutputRefused


@contextmanager
def new_folder(target: Path, *, ours: frozenset[str]) -> Generator[Path, None, None]:
    """Yield an empty folder beside `target` that takes its place when the block ends well.

    An earlier result is replaced; `ours` names what such a result may hold. Any other file in `target` is
    somebody else's, and then nothing is touched. When the block raises, nothing is left behind. Raises
    `OutputRefused` before the block runs.
    """
    target = Path(os.path.abspath(target))
    _refuse_what_is_not_ours(target, ours)
    made = _folder_beside(target)
    try:
        yield made
        _refuse_what_is_not_ours(target, ours)  # hours may have passed
        _take_the_place(made, target)
    finally:
        shutil.rmtree(made.parent, ignore_errors=True)


def _refuse_what_is_not_ours(target: Path, ours: frozenset[str]) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise OutputRefused(
            f"{str(target)!r} is there and is not a folder.\n  Name another place with --out."
        )
    if Path.cwd().is_relative_to(target.resolve()):
        raise OutputRefused(
            f"{str(target)!r} holds the folder you are in, and results take the place of a whole folder.\n"
            "  Name another place with --out."
        )
    foreign = sorted(entry.name for entry in target.iterdir() if entry.name not in ours)
    if foreign:
        raise OutputRefused(
            f"the folder {str(target)!r} holds {foreign[0]!r}, which this command did not write.\n"
            "  Nothing was changed. Name another place with --out, or empty the folder yourself."
        )


def _folder_beside(target: Path) -> Path:
    """A new folder named like the target, in a hidden folder on the same file system.

    It stands in the nearest folder that exists, so that a failure leaves no new parents either.
    """
    try:
        existing = next(parent for parent in target.parents if parent.exists())
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=existing)) / target.name
        made.mkdir()
    except OSError as error:
        raise _unwritable(target, error) from error
    return made


def _take_the_place(made: Path, target: Path) -> None:
    replaced = made.parent / "replaced"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rename(replaced)
        made.rename(target)
    except OSError as error:
        if replaced.is_dir() and not target.exists():
            replaced.rename(target)
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> OutputRefused:
    return OutputRefused(
        f"{str(target)!r} cannot be written: {error.strerror}.\n  Name another place with --out."
    )
