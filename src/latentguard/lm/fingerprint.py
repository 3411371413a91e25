"""What an artefact records about a model, so that it is never used beside another one unnoticed."""

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from jaxtyping import Shaped
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from latentguard._paths import BUNDLED, existing_path
from latentguard.lm.blocks import Blocks
from latentguard.lm.spread import named_values

_ROWS = 16
_CHARACTERS = 32
"""Of a beginning's fingerprint: an artefact keeps one for every slot."""


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
    beginnings: tuple[str, ...] | None = None
    """By slot, the fingerprint of all that computes it (`Fingerprints.beginnings`); None in artefacts that
    were made before it was recorded, and of untrained copies."""
    loaded_blocks: int | None = None
    """How many of the `blocks` are loaded, of a model that is loaded in part; None where all are."""

    @property
    def deciding(self) -> str:
        """Everything that decides what the model computes of a conversation, as one line: a key for what is
        kept of it. Two checkpoints may share it where no sampled row tells them apart."""
        left_out = {"name", "revision", "versions", "beginnings", "loaded_blocks"}  # as `fingerprint` says
        return self.model_dump_json(exclude=left_out)

    def same_weights(self, other: "Identity") -> bool:
        """Whether both have one fingerprint; where one is loaded in part, of what both have loaded.

        False where a model that is loaded in part meets an artefact without `beginnings`.
        """
        if self.loaded_blocks is None and other.loaded_blocks is None:
            return self.fingerprint == other.fingerprint
        if self.beginnings is None or other.beginnings is None:
            return False
        common = min(len(self.beginnings), len(other.beginnings)) - 1
        return self.beginnings[common] == other.beginnings[common]

    @property
    def elsewhere(self) -> bool:
        """Whether the model was a folder or file, and none lies under its name here. It is looked for
        nowhere else: on the hub its name may be a stranger's.

        `load` names a path without the folders it lies in; a hub id has its owner before a slash.
        """
        return "/" not in self.name and self.name not in BUNDLED and existing_path(self.name) is None


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Of all weights, and of those that compute each slot."""

    whole: str
    beginnings: tuple[str, ...]
    """For slot i: the weights outside the blocks, less the final norm and a head of its own, then those of
    blocks 0..i-1, one block chained to the next. A model that is loaded in part (`partial.py`) has the first
    few of them, computed from what it has alone. (Reading the rest of the checkpoint to compute the whole
    fingerprint would take the names and shapes that transformers gives tensors while it loads them.)"""


def fingerprints(module: nn.Module, blocks: Blocks) -> Fingerprints:
    """Both, in one pass over the weights (see `weight_fingerprint`)."""
    whole, rest = hashlib.sha256(), hashlib.sha256()
    of_block = [hashlib.sha256() for _ in blocks.layers]
    names = {id(one): name for name, one in module.named_modules()}
    block_of = {names[id(layer)]: number for number, layer in enumerate(blocks.layers)}
    under = f"{names[id(blocks.layers)]}."
    after = _after_the_blocks(module, blocks)
    for name, parameter in named_values(module):
        said = _said(name, parameter)
        whole.update(said)
        if name.startswith(under):
            of_block[block_of[under + name.removeprefix(under).split(".")[0]]].update(said)
        elif name not in after:
            rest.update(said)
    chained = [rest.digest()]
    for one in of_block:
        chained.append(hashlib.sha256(chained[-1] + one.digest()).digest())
    return Fingerprints(whole.hexdigest(), tuple(one.hex()[:_CHARACTERS] for one in chained))


def weight_fingerprint(module: nn.Module) -> str:
    """sha256 hex over every parameter's name and shape, and sixteen of its rows, spread evenly.

    Rows are rounded to bfloat16 first, so one checkpoint loaded in float32 or in bfloat16 has one
    fingerprint (float16 drops the smallest weights, and has its own); a change too small to move any sampled
    value's first eight significant bits is not seen.
    Of a tensor whose values are nowhere, name and shape count.
    """
    digest = hashlib.sha256()
    for name, parameter in named_values(module):
        digest.update(_said(name, parameter))
    return digest.hexdigest()


def _said(name: str, parameter: Tensor) -> bytes:
    """What a fingerprint is told of one parameter."""
    said = f"{name}{tuple(parameter.shape)}".encode()
    for part in map(Tensor.detach, _parts(parameter)):
        rows = _rows(part)
        sampled = rows[torch.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).long().to(rows.device)]
        said += sampled.to(torch.bfloat16).cpu().contiguous().view(torch.int16).numpy().tobytes()
    return said + _settings(parameter)


def _after_the_blocks(module: Any, blocks: Blocks) -> set[str]:
    """Names of the parameters of the final norm and of the head, unless the embedding shares them."""
    shared = {id(one) for one in module.get_input_embeddings().parameters()}
    last = {id(one) for part in (blocks.norm, blocks.unembedding) for one in part.parameters()} - shared
    return {name for name, one in module.named_parameters() if id(one) in last}


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
