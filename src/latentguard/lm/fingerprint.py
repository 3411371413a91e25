"""What an artefact records about a model, so that it is never used beside another one unnoticed."""

import hashlib
import platform
from importlib.metadata import version
from typing import Any

import torch
from jaxtyping import Shaped
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from latentguard.lm.spread import named_values

_ROWS = 16


class Identity(BaseModel):
    """Which model, which weights, which template, on what. Plain fields; written into every artefact."""

    model_config = ConfigDict(frozen=True)

    name: str
    revision: str | None
    fingerprint: str
    """sha256 over tensor names, shapes and sampled rows (`weight_fingerprint`): seconds on a 70B model."""
    template_hash: str
    tokenizer_hash: str
    date: str | None
    """What the chat template was told the date is (ISO); None where it writes none."""
    architecture: str
    dtype: str
    device: str
    quantisation: str | None
    blocks: int
    hidden: int
    versions: dict[str, str]

    @property
    def deciding(self) -> str:
        """Everything that decides what the model computes of a conversation, as one line: a key for what is
        kept of it. Two checkpoints may share it where no sampled row tells them apart."""
        return self.model_dump_json(exclude={"name", "revision", "versions"})

    @property
    def local(self) -> bool:
        """Whether the model was a folder or file of some machine, or the bundled one, and none of the hub's.

        `load` names a path without the folders it lies in; a hub id has its owner before a slash.
        """
        return "/" not in self.name


def weight_fingerprint(module: nn.Module) -> str:
    """sha256 hex over every parameter's name and shape, and sixteen of its rows, spread evenly.

    Rows are rounded to bfloat16 first, so one checkpoint loaded in float32 or in bfloat16 has one
    fingerprint (float16 drops the smallest weights, and has its own); a change too small to move any sampled
    value's first eight significant bits is not seen.
    Of a tensor whose values are nowhere, name and shape count.
    """
    digest = hashlib.sha256()
    for name, parameter in named_values(module):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        for part in map(Tensor.detach, _parts(parameter)):
            rows = _rows(part)
            sampled = rows[torch.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).long().to(rows.device)]
            digest.update(sampled.to(torch.bfloat16).cpu().contiguous().view(torch.int16).numpy().tobytes())
        digest.update(_settings(parameter))
    return digest.hexdigest()


def _parts(tensor: Any) -> list[Tensor]:
    """The plain tensors that hold a weight: itself, or what a quantised one consists of; none on meta."""
    inner = getattr(tensor, "__tensor_flatten__", None)  # torchao's
    if inner is not None:
        return [part for name in sorted(inner()[0]) for part in _parts(getattr(tensor, name))]
    if tensor.is_meta:
        return []
    state = _state(tensor)
    return [tensor, *(state[name] for name in sorted(state) if isinstance(state[name], Tensor))]


def _state(tensor: Any) -> dict[str, Any]:
    """The scales and settings of a weight in bitsandbytes' four bits."""
    state = getattr(tensor, "quant_state", None)
    return {} if state is None else state.as_dict(packed=False)


def _settings(tensor: Any) -> bytes:
    state = _state(tensor)
    said = {name: str(value) for name, value in state.items() if not isinstance(value, Tensor)}
    return repr(sorted(said.items())).encode() if said else b""


def _rows(part: Tensor) -> Shaped[Tensor, "row value"]:
    """A tensor by its first axis; packed bytes, which lie in one column, in rows of 64."""
    if not part.is_floating_point() and part.numel() % 64 == 0:
        return part.reshape(-1, 64)
    return part.reshape(part.shape[0] if part.dim() else 1, -1)


def versions() -> dict[str, str]:
    """Versions of what computed a result."""
    packages = ("torch", "transformers", "latentguard")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def dtype_name(dtype: Any) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")
