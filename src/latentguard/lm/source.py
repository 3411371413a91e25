"""Where a model's files are, and transformers' loaders called on them: what they say becomes one error."""

import os
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError

from latentguard._paths import existing_path
from latentguard._text import inert
from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.lm.gguf import file_type
from latentguard.lm.quantised import needs_package

_UNREADABLE = (OSError, ValueError, KeyError)
_DAMAGED_GGUF = (TypeError, IndexError, struct.error)  # what the gguf package raises where a file ends early


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is: `place` is a folder or hub id, `gguf` a file in it where one was asked for."""

    place: str
    gguf: str | None
    name: str
    """What artefacts call it."""

    @classmethod
    def of(cls, name_or_path: str | os.PathLike[str], name: str | None = None) -> "Source":
        """A path that exists is a path; `repo:file.gguf` is a file of a repo; anything else is a hub id.

        A path is named without the folders it lies in: a name without a slash is no hub id
        (`Identity.elsewhere`). Raises `ModelNotFound` for a GGUF file that is not there.
        """
        given = os.fspath(name_or_path)
        path = existing_path(given)
        if path is not None and path.suffix == ".gguf" and path.is_file():
            return cls(str(path.parent), path.name, name or path.name)
        if path is not None and path.is_dir():
            return cls(str(path), None, name or path.resolve().name)
        if given.endswith(".gguf"):
            repo, colon, file = given.partition(":")
            if colon and repo and file:
                return cls(repo, file, name or given)
            raise ModelNotFound(
                f"there is no file {inert(given)!r}.\n  Give a path to a GGUF file, or REPO:FILE.gguf."
            )
        return cls(given, None, name or given)

    @property
    def keywords(self) -> dict[str, Any]:
        """What transformers' loaders are told beside the place."""
        return {"gguf_file": self.gguf} if self.gguf else {}

    def read_by(self, loader: Any, **options: Any) -> Any:
        """`loader.from_pretrained` of it. Raises `ModelNotFound`, `ModelNotSupported`."""
        unreadable = _UNREADABLE + _DAMAGED_GGUF if self.gguf else _UNREADABLE
        try:
            return loader.from_pretrained(self.place, **options)
        except ImportError as error:
            if self.gguf and "gguf" in str(error).lower():
                raise self._needs_gguf() from error
            raise needs_package(self.name, options.get("config"), error) from error
        except unreadable as error:
            if self.gguf and "GGUF model with architecture" in str(error):
                raise ModelNotSupported(
                    f"{inert(self.name)} holds an architecture whose GGUF files transformers "
                    f"{transformers.__version__} does not read.\n  {inert(str(error), limit=300)}\n"
                    "  Give the model's safetensors weights."
                ) from error
            raise self._not_found(error) from error

    def commit(self, revision: str | None) -> str | None:
        """The commit of the hub's repository that has just been read; None for a folder or a file."""
        if Path(self.place).is_dir():
            return None
        file = try_to_load_from_cache(self.place, self.gguf or "config.json", revision=revision)
        parts = Path(file).parts if isinstance(file, str) else ()
        return parts[parts.index("snapshots") + 1] if "snapshots" in parts else revision

    def gguf_type(self, revision: str | None) -> str | None:
        """What a GGUF file says of itself, before anything else of it is read; None for other sources.

        Raises `ModelNotFound`, and `ModelNotSupported` where the gguf package is missing.
        """
        if self.gguf is None:
            return None
        if find_spec("gguf") is None:
            raise self._needs_gguf()
        file = Path(self.place) / self.gguf
        if not file.is_file():
            try:
                file = Path(hf_hub_download(self.place, self.gguf, revision=revision))
            except (OSError, ValueError, HfHubHTTPError) as error:
                raise self._not_found(error) from error
        return f"GGUF {file_type(file)}"

    def _needs_gguf(self) -> ModelNotSupported:
        return ModelNotSupported(
            f"reading {inert(self.name)} needs the gguf package.\n  pip install 'latentguard[gguf]'"
        )

    def _not_found(self, error: Exception) -> ModelNotFound:
        said = str(error).strip().splitlines() or [type(error).__name__]
        return ModelNotFound(
            f"{inert(self.name)} could not be loaded as a chat model.\n  {inert(said[0], limit=300)}\n"
            "  Give a Hugging Face id, a folder with safetensors weights, a GGUF file, or 'organism'."
        )
