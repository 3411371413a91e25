"""Where a guard is: here, in a folder, or behind an address."""

import os
from functools import cache
from pathlib import Path
from typing import TypeAlias

import latentguard
from latentguard._text import inert
from latentguard.adapters.checked import Checker
from latentguard.adapters.in_process import InProcess, by_the_owner
from latentguard.adapters.served import Served
from latentguard.errors import ModelNotFound
from latentguard.guard import Guard, read_manifest

Guarding: TypeAlias = Guard | Checker | str | os.PathLike[str]
"""A guard, whatever judges conversations, the folder of a guard, or the address of `latentguard serve`."""


def checker_of(guard: Guarding, *, api_key: str | None = None) -> Checker:
    """What judges conversations by this guard.

    `guard`: a `Guard`; a folder, whose model is loaded beside it, once a process; an address
    (`http://host:8000`), which is asked with `api_key` or the variable LATENTGUARD_API_KEY; or a `Checker`,
    which is returned. Raises `ArtefactMismatch` where the folder holds no sound guard, `ModelNotFound` where
    its model is not here, `ValueError` for a key that nobody asks for.
    """
    if isinstance(guard, str) and guard.startswith(("http://", "https://")):
        return Served.of(guard, api_key=api_key)
    if api_key is not None:
        raise ValueError("a key is for the address of a server; this guard is none")
    if isinstance(guard, Guard):
        return InProcess(guard)
    if isinstance(guard, str | os.PathLike):
        return _loaded(Path(guard).expanduser().resolve())
    return guard


@cache
def _loaded(folder: Path) -> InProcess:
    """The guard in `folder`, beside the model that it was fitted on."""
    fitted_on = read_manifest(folder).model
    if fitted_on.elsewhere:
        raise ModelNotFound(
            f"the model of the guard in {inert(str(folder))} is not here.\n"
            f"  It was fitted on {inert(fitted_on.name)!r}, a folder or file that lay elsewhere.\n"
            "  Load it with latentguard.load, and give Guard.load(folder, model)."
        )

    def load() -> Guard:
        model = latentguard.load(fitted_on.name, revision=fitted_on.revision)
        return Guard.load(folder, model)

    return InProcess(by_the_owner(load))
