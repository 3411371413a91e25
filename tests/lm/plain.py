"""What the tests hold against this package: transformers called plainly, and which blocks ran."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from latentguard.lm import LanguageModel


def plain_states(model: LanguageModel, **inputs: Tensor) -> Tensor:
    """[slot, row, token, hidden] in float32 of a plain transformers call; slot L is what a hook sees leave
    the last block, as transformers' own last state is past the final norm."""
    last: list[Tensor] = []

    def keep(_module: object, _arguments: object, output: Tensor | tuple[Tensor, ...]) -> None:
        last.append(output[0] if isinstance(output, tuple) else output)

    handle = model.blocks.layers[-1].register_forward_hook(keep)
    with torch.no_grad():
        given = {name: one.to(model.device) for name, one in inputs.items()}
        output = model.module(**given, output_hidden_states=True)
    handle.remove()
    return torch.stack([*output.hidden_states[:-1], *last]).cpu().float()


def projection_inputs(model: LanguageModel, block: int, ids: tuple[int, ...]) -> Tensor:
    """What a hook sees the output projection be handed in a plain run of one prompt."""
    seen: list[Tensor] = []
    site = model.proof.head_sites(model.name)[block]
    assert site is not None

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].clone())

    handle = site.projection.register_forward_pre_hook(keep)
    with torch.no_grad():
        model.module(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
    handle.remove()
    return seen[0][0].cpu().float().unflatten(-1, (site.heads, site.width))


@contextmanager
def blocks_run(model: LanguageModel) -> Iterator[list[int]]:
    """The numbers of the blocks that ran to their end, in order."""
    ran: list[int] = []
    handles = [
        layer.register_forward_hook(partial(lambda number, *_: ran.append(number), number))
        for number, layer in enumerate(model.blocks.layers)
    ]
    try:
        yield ran
    finally:
        for handle in handles:
            handle.remove()
