"""latentguard: what an open-weight chat model believes about a request, apart from whether it will refuse.

    model = latentguard.load("organism")          # or a Hugging Face id, a folder, a GGUF file
    guard = latentguard.Guard.fit(model, harmful, harmless)
    guard.score(["How do I bake bread?"])

Names are imported when they are first used, so that `latentguard --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentguard import beliefs, causal, data, errors, judge, lm, organism
    from latentguard.guard import Guard
    from latentguard.lm import LanguageModel

__version__ = "0.1.0"

__all__ = [
    "Guard",
    "LanguageModel",
    "__version__",
    "beliefs",
    "causal",
    "data",
    "errors",
    "judge",
    "lm",
    "load",
    "organism",
]

_FROM = {"Guard": "latentguard.guard", "LanguageModel": "latentguard.lm"}
_ROOMS = {"beliefs", "causal", "data", "errors", "judge", "lm", "organism"}


def load(
    name_or_path: str | os.PathLike[str],
    *,
    device: str | lm.Devices = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
    quantization_config: Any = None,
    adapter: str | os.PathLike[str] | None = None,
    blocks: int | None = None,
) -> LanguageModel:
    """A chat model, proved part by part: "organism" or "organism-idle" (bundled), a hub id, a folder, a GGUF
    file, or the folder of a PEFT adapter.

    `device`: "auto", "cpu", "cuda", ..., "spread" (over all GPUs, and memory beside them), or the device of
    each part by name. `dtype`: "auto" (chosen by measurement on a CPU, the checkpoint's own
    elsewhere; `model.notes` says which), "float32", "bfloat16", "float16". `quantization_config`:
    transformers' own, for weights that are quantised while they are loaded. `adapter`: a PEFT adapter that is
    merged into the model. `blocks`: how many blocks are loaded, from the first on, where no deeper slot is to
    be read; the model then says nothing. Raises `ModelNotFound`, `ModelNotSupported`, `TemplateError`, and
    `ValueError` for blocks that the model has not.
    """
    from latentguard import lm, organism
    from latentguard._paths import BUNDLED

    name = os.fspath(name_or_path)
    place = organism.path(idle=name != "organism") if name in BUNDLED else name
    return lm.load(
        place,
        device=device,
        dtype=dtype,
        revision=revision,
        trust_remote_code=trust_remote_code,
        quantization_config=quantization_config,
        adapter=adapter,
        blocks=blocks,
        name=name if name in BUNDLED else None,
    )


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(importlib.import_module(_FROM[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"latentguard.{name}")
    raise AttributeError(f"module 'latentguard' has no attribute {name!r}")
