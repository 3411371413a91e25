"""An untrained copy: the same architecture with fresh weights, what a guard's figures are compared with.

The copy is never whole. A part's weights are drawn when the part is about to run and are gone when it has
run, so a copy costs the memory of one block or of its embedding, whichever is larger, on a GPU too.
"""

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from latentguard.errors import ModelNotSupported
from latentguard.lm.blocks import Blocks
from latentguard.lm.draws import PiecewiseNormal
from latentguard.lm.fingerprint import weight_fingerprint

_SEEDS_APART = 65_536
"""The parts of one copy take consecutive seeds; two copies start this far apart."""


@dataclass(frozen=True, slots=True, eq=False)
class UntrainedCopy:
    """The copy's module, its parts, and the fingerprint of what it draws."""

    module: Any
    blocks: Blocks
    fingerprint: str


def untrained_copy(
    module: Any, like: Blocks, seed: int, n_blocks: int, device: torch.device
) -> UntrainedCopy:
    """The first `n_blocks` blocks of `module`, drawn by its own initialiser, on `device`; same dtype.

    What a part holds depends on `seed` and on which part it is: not on what ran before, nor on the global
    random state, which is left as it was. A GPU draws other numbers than a CPU. `like`: the parts of
    `module`, which are found again by name. Raises `ModelNotSupported` where the initialiser leaves a
    tensor as it found it.
    """
    with torch.device("meta"):
        fresh = AutoModelForCausalLM.from_config(
            _cut(copy.deepcopy(module.config), n_blocks), dtype=module.dtype
        )
    fresh.generation_config = copy.deepcopy(module.generation_config)
    fresh.eval().requires_grad_(False)
    blocks = _same_parts(module, like, fresh)
    embedding, unembedding = fresh.get_input_embeddings(), blocks.unembedding
    tied = unembedding.weight is embedding.weight
    owned = list(_owned(fresh, fresh))

    def part(number: int, *roots: nn.Module, also: Sequence[nn.Module] = ()) -> _Part:
        within = {id(one) for root in roots for one in root.modules()}
        return _Part(
            [one for one in owned if id(one[0]) in within], also, seed * _SEEDS_APART + number, device
        )

    def rest() -> _Part:
        passing = {id(one) for root in (embedding, unembedding, *blocks.layers) for one in root.modules()}
        return _Part([one for one in owned if id(one[0]) not in passing], (), seed * _SEEDS_APART, device)

    rest().draw()
    # numbered from the ends, so that what they hold does not depend on how many blocks there are
    ends = part(1, embedding, also=[unembedding] if tied else [])
    ends.only_while_running(embedding)
    (ends if tied else part(2, unembedding)).only_while_running(unembedding)
    parts = [part(number, layer) for number, layer in enumerate(blocks.layers, start=3)]
    for layer, one in zip(blocks.layers, parts, strict=True):
        one.only_while_running(layer)
    with parts[0].drawn(), ends.drawn():
        fingerprint = weight_fingerprint(fresh)
    return UntrainedCopy(fresh, blocks, fingerprint)


class _Part:
    """Modules whose tensors are drawn together: on the meta device until then, and again afterwards.

    Their hooks lead here, so from here only weak references lead back: a copy nobody holds is gone at once,
    not when the garbage collector next runs.
    """

    def __init__(
        self,
        owned: list[tuple[nn.Module, Any]],
        also: Sequence[nn.Module],
        seed: int,
        device: torch.device,
    ) -> None:
        """`owned`: modules and whose rule fills them; `also`: who holds the same tensors, too."""
        self.owned = [(ref(one), ref(owner)) for one, owner in owned]
        self.seed, self.device = seed, device
        self.empty: list[tuple[ref[nn.Module], str, Tensor]] = [
            (ref(one), name, tensor)
            for one in (*(one for one, _ in owned), *also)
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
                with torch.inference_mode(False):  # other threads fill it, too
                    made[id(tensor)] = self._blank(tensor)
            setattr(_alive(one), name, made[id(tensor)])
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad(), PiecewiseNormal():
            torch.manual_seed(self.seed)
            for one, owner in self.owned:
                _alive(owner)._init_weights(_alive(one))
        if not self.checked:
            self._check(made.values())
        self.checked = True

    def drop(self) -> None:
        """Back to tensors without memory."""
        for one, name, tensor in self.empty:
            if (module := one()) is not None:
                setattr(module, name, tensor)

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
            owner = type(_alive(self.owned[0][1])).__name__
            raise ModelNotSupported(
                f"{owner} has tensors that its own initialiser does not fill, so no untrained copy of it can "
                "be made.\n  Fit with untrained_copies=0; no figure is then compared with a copy."
            )


def _alive(reference: "ref[Any]") -> Any:
    """What is referred to, while somebody holds the copy."""
    found = reference()
    if found is None:
        raise ReferenceError("this untrained copy is gone: keep what `reinitialised` returned while it runs")
    return found


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
