"""What long work has measured is kept beside its results until they are written."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from latentguard.cli._errors import OutputRefused

if TYPE_CHECKING:
    from latentguard.cli._output import Output


@contextmanager
def work_folder(out: Path, output: "Output") -> Generator[Path, None, None]:
    """A folder named like `out` with `.unfinished` behind it, removed when the block ends well.

    After anything else, a kill among them, it stays, and the same call goes on from what it holds.
    """
    folder = out.with_name(f"{out.name}.unfinished")
    try:
        found = folder.is_dir() and any(folder.iterdir())
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            f"{str(folder)!r} cannot be written: {error.strerror}.\n  Name another place with --out."
        ) from error
    if found:
        output.note(f"Going on from what {folder} holds.")
    try:
        yield folder
    except BaseException:
        if any(folder.iterdir()):
            output.note(f"What was measured is in {folder}: the same call goes on from there.")
        else:
            folder.rmdir()
        raise
    shutil.rmtree(folder, ignore_errors=True)
