"""PEFT adapters: merged into their base model while it is loaded, in memory, so that plain weights are read.

A folder with `adapter_config.json` and no `config.json` is an adapter; it names its base.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from latentguard._paths import existing_path
from latentguard._text import inert
from latentguard.errors import ModelNotFound, ModelNotSupported

_CONFIG = "adapter_config.json"


def is_adapter(name: str) -> bool:
    """Whether `name` is the folder of an adapter alone."""
    path = existing_path(name)
    return path is not None and (path / _CONFIG).is_file() and not (path / "config.json").is_file()


def base_of(name: str) -> str:
    """The model that an adapter says it was trained on. Raises `ModelNotSupported` where it names none."""
    try:
        named = json.loads((Path(name).expanduser() / _CONFIG).read_text(encoding="utf-8"))
        base = named["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotSupported(f"{inert(name)} has no readable {_CONFIG}.\n  Fetch it again.") from error
    if not isinstance(base, str) or not base:
        raise ModelNotSupported(f"the adapter {inert(name)} names no base model.\n  Load that with adapter=.")
    return base


def merged(module: Any, folder: str) -> Any:
    """`module` with an adapter's changes added to its weights.

    Raises `ModelNotSupported` for an adapter that does not fit it, that cannot be merged, or that nothing
    here can read.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelNotSupported(
            "reading an adapter needs the package peft.\n  pip install 'latentguard[train]'"
        ) from error
    path = Path(folder).expanduser()
    if not (path / _CONFIG).is_file():
        raise ModelNotFound(f"there is no adapter {inert(folder)!r}: no folder with {_CONFIG}.")
    if not any(path.glob("adapter_model*.safetensors")):
        raise ModelNotSupported(
            f"the adapter {inert(folder)} has no safetensors weights, and nothing is unpickled here.\n"
            "  Save it again with safe_serialization."
        )
    try:
        adapted = PeftModel.from_pretrained(module, str(path))
        return adapted.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError, AttributeError, SafetensorError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelNotSupported(
            f"the adapter {inert(folder)} cannot be merged into this model.\n  {inert(said[0], limit=300)}\n"
            "  Give the base model that it was trained on."
        ) from error
