"""A model spread over several devices by accelerate: where it takes its tokens, where its weights are kept.

A weight that its device has no room for lies in memory or on disk, and its parameter on the meta device,
until the part that holds it runs. What this package reads of a weight outside a run is read from there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Devices = Mapping[str, "str | int"]
"""Parts of a model by name, and the device of each: accelerate's device map ("cpu", "disk", "cuda:1", 0)."""


def input_device(module: Any) -> torch.device:
    """The device that token ids are handed to."""
    embedding: nn.Module = module.get_input_embeddings()
    for hook in _hooks(embedding):
        if (device := getattr(hook, "execution_device", None)) is not None:
            return torch.device(device)
    return next(module.parameters()).device


def kept(module: nn.Module, name: str) -> Tensor | None:
    """The parameter `name` of `module` itself, with its values, wherever they are kept; None where it has
    none."""
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor) or not tensor.is_meta:
        return tensor if isinstance(tensor, Tensor) else None
    for hook in _hooks(module):
        weights = getattr(hook, "weights_map", None)
        if weights is not None:
            return weights[name]
    return tensor


def named_values(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter by its whole name, with its values, one at a time; on meta where nobody keeps them."""
    tied = getattr(module, "all_tied_weights_keys", None) or {}
    for name, parameter in sorted(module.named_parameters()):
        if parameter.is_meta and name in tied:
            continue  # on meta it is an object of its own, elsewhere one with what it is tied to
        owner, _, own = name.rpartition(".")
        value = kept(module.get_submodule(owner), own)
        yield name, parameter if value is None else value


def devices_of(module: Any) -> str | None:
    """`cuda:0 (14 parts), cuda:1 (16 parts)`; None for a model on one device."""
    parts = Counter(str(device) for device in (getattr(module, "hf_device_map", None) or {}).values())
    if len(parts) < 2:
        return None
    named = {name: f"cuda:{name}" if name.isdigit() else name for name in parts}
    return ", ".join(f"{named[name]} ({count} parts)" for name, count in sorted(parts.items()))


def _hooks(module: nn.Module) -> tuple[Any, ...]:
    hook = getattr(module, "_hf_hook", None)
    return tuple(getattr(hook, "hooks", (hook,))) if hook is not None else ()
