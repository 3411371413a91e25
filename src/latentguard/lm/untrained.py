"""An untrained copy: the same architecture with fresh weights, what a guard's figures are compared with.

The copy is never whole. A block's weights are drawn when the block is about to run and are gone when it has
run, so a copy costs the memory of its embedding and of one block, on a GPU too.
"""

import copy
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from latentguard.errors import ModelNotSupported
from latentguard.lm.blocks import Blocks
from latentguard.lm.fingerprint import weight_fingerprint

_SEEDS_APART = 65_536
"""The parts of one copy take consecutive seeds; two copies start this far apart."""


@dataclass(frozen=True, slots=True, eq=False)
class UntrainedCopy:
    """The copy's module, its parts, and the fingerprint of what it draws."""

    module: Any
    blocks: Blocks
    fingerprint: str


def untrained_copy(module: Any, like: Blocks, seed: int, n_blocks: int) -> UntrainedCopy:
    """The first `n_blocks` blocks of `module`, drawn by its own initialiser; same dtype, same device.

    What a part holds depends on `seed` and on which part it is: not on what ran before, nor on the global
    random state, which is left as it was. A GPU draws other numbers than a CPU. `like`: the parts of
    `module`, which are found again by name. Raises `ModelNotSupported` where the initialiser leaves a
    tensor as it found it.
    """
    given = next(module.parameters())
    with torch.device("meta"):
        fresh = AutoModelForCausalLM.from_config(
            _cut(copy.deepcopy(module.config), n_blocks), dtype=given.dtype
        )
    fresh.generation_config = copy.deepcopy(module.generation_config)
    fresh.eval().requires_grad_(False)
    blocks = _same_parts(module, like, fresh)
    passing: list[nn.Module] = [*blocks.layers]
    if blocks.unembedding.weight is not fresh.get_input_embeddings().weight:
        passing.append(blocks.unembedding)
    owned = list(_owned(fresh, fresh))
    within = {id(one) for part in passing for one in part.modules()}
    _Part([one for one in owned if id(one[0]) not in within], seed * _SEEDS_APART, given.device).draw()
    parts = [
        _Part(
            [one for one in owned if id(one[0]) in {id(inner) for inner in root.modules()}],
            seed * _SEEDS_APART + number,
            given.device,
        )
        for number, root in enumerate(passing, start=1)
    ]
    for root, part in zip(passing, parts, strict=True):
        part.only_while_running(root)
    with parts[0].drawn():
        fingerprint = weight_fingerprint(fresh)
    return UntrainedCopy(fresh, blocks, fingerprint)


class _Part:
    """Modules whose tensors are drawn together: on the meta device until then, and again afterwards."""

    def __init__(self, owned: list[tuple[nn.Module, Any]], seed: int, device: torch.device) -> None:
        self.owned, self.seed, self.device = owned, seed, device
        self.empty: list[tuple[nn.Module, str, Tensor]] = [
            (one, name, tensor)
            for one, _ in owned
            for held in (one.named_parameters(recurse=False), one.named_buffers(recurse=False))
            for name, tensor in held
            if tensor.is_meta
        ]
        self.checked = False

    def draw(self) -> None:
        """Every tensor filled by the model's own rule, children before their parents."""
        made: dict[int, Tensor] = {}
        for one, name, tensor in self.empty:
            if id(tensor) not in made:
                made[id(tensor)] = self._blank(tensor)
            setattr(one, name, made[id(tensor)])
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(self.seed)
            for one, owner in self.owned:
                owner._init_weights(one)
        if not self.checked:
            self._check(made.values())
        self.checked = True

    def drop(self) -> None:
        """Back to tensors without memory."""
        for one, name, tensor in self.empty:
            setattr(one, name, tensor)

    @contextmanager
    def drawn(self) -> Generator[None]:
        """Drawn inside the block only."""
        self.draw()
        try:
            yield
        finally:
            self.drop()

    def only_while_running(self, root: nn.Module) -> None:
        """Drawn whenever `root` is called, dropped when it returns or raises."""
        root.register_forward_pre_hook(lambda *_: self.draw())
        root.register_forward_hook(lambda *_: self.drop(), always_call=True)

    def _blank(self, tensor: Tensor) -> Tensor:
        """Not-a-number where the dtype has it, so that what no rule fills is found."""
        value = float("nan") if tensor.is_floating_point() else 0
        blank = torch.full(tensor.shape, value, dtype=tensor.dtype, device=self.device)
        return nn.Parameter(blank, requires_grad=False) if isinstance(tensor, nn.Parameter) else blank

    def _check(self, made: Iterable[Tensor]) -> None:
        if any(bool(tensor.isnan().any()) for tensor in made if tensor.is_floating_point()):
            owner = type(self.owned[0][1]).__name__
            raise ModelNotSupported(
                f"{owner} has tensors that its own initialiser does not fill, so no untrained copy of it can "
                "be made.\n  Fit with untrained_copies=0; no figure is then compared with a copy."
            )


def _owned(module: nn.Module, owner: Any) -> Iterator[tuple[nn.Module, Any]]:
    """Every module with the model whose rule fills it, children first, as transformers goes about it."""
    owner = module if isinstance(module, PreTrainedModel) else owner
    for child in module.children():
        yield from _owned(child, owner)
    yield module, owner


def _cut(config: Any, n_blocks: int) -> Any:
    text = config.get_text_config(decoder=True)
    if n_blocks < text.num_hidden_layers:
        text.num_hidden_layers = n_blocks
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:n_blocks]
    return config


def _same_parts(module: nn.Module, like: Blocks, fresh: nn.Module) -> Blocks:
    """The parts of `fresh` under the names that they have in `module`."""
    names = {id(one): name for name, one in module.named_modules()}

    def same(part: nn.Module) -> Any:
        return fresh.get_submodule(names[id(part)])

    return replace(
        like,
        decoder=same(like.decoder),
        layers=same(like.layers),
        norm=same(like.norm),
        unembedding=same(like.unembedding),
        config=fresh.config.get_text_config(decoder=True),  # type: ignore[operator]
    )
