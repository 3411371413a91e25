"""Whether a model's name is a path of this machine, asked once and the same way everywhere."""

from pathlib import Path

from latentguard._text import inert
from latentguard.errors import ModelNotFound


def existing_path(name: str) -> Path | None:
    """The path that `name` is, `~` expanded; None where there is none, as for a hub id.

    Raises `ModelNotFound` where it can be neither: a home of nobody, a name longer than the system takes.
    """
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ModelNotFound(
            f"there is no model {inert(name, limit=200)}.\n  {why}\n"
            "  Give a Hugging Face id, a folder with safetensors weights, a GGUF file, or 'organism'."
        ) from None
