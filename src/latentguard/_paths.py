"""Whether a model's name is a path of this machine, asked once and the same way everywhere."""

from pathlib import Path
from typing import Final

from latentguard._text import inert
from latentguard.errors import ModelNotFound

BUNDLED: Final = ("organism", "organism-idle")
"""Names of the models that ship with the package: they are no paths and no hub ids."""


def existing_path(name: str) -> Path | None:
    """The path that `name` is, `~` expanded; None where there is none, as for a hub id.

    Raises `ModelNotFound` where it can be neither: nothing at all, a path that leads nowhere, a home of
    nobody, a name longer than the system takes.
    """
    if not name.strip():
        raise _nothing(name, "No model was named.")
    try:
        path = Path(name).expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError, ValueError) as error:
        raise _nothing(name, getattr(error, "strerror", None) or str(error)) from None
    if path.is_absolute() or name.startswith("."):
        raise _nothing(name, "No file or folder is there.")
    return None


def _nothing(name: str, why: str) -> ModelNotFound:
    return ModelNotFound(
        f"there is no model {inert(name, limit=200)!r}.\n  {why}\n"
        "  Give a Hugging Face id, a folder with safetensors weights, a GGUF file, or 'organism'."
    )
