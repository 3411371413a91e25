"""Edits of query heads, at the input of their block's attention output projection: data, not code.

ScaleHeads     z_h' = factor * z_h,   then, where asked for, back to the length that all heads had
ReplaceHeads   z_h' = what was read of it elsewhere, token by token
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.lm.batch_layout import BatchLayout
from latentguard.lm.chat.rendered import Position
from latentguard.lm.edits.scope import Scope
from latentguard.lm.heads import FlatInput, HeadSite

Head = tuple[int, int]
"""(block, head), both counted from 0."""

Renorm = Literal["none", "token", "tensor"]


@dataclass(frozen=True, slots=True, eq=False)
class ScaleHeads:
    """Multiply `heads` by `factor` on every token in `scope`; 0 removes them.

    `renorm`: "none" leaves it at that. "token" gives every token's heads together the length they had.
    "tensor" gives all edited tokens of a batch together the length they had, as the authors of the refusal
    cliff do: what a prompt then becomes depends on the others in its batch.
    """

    heads: Sequence[Head]
    factor: float
    renorm: Renorm = "none"
    scope: Scope = "all"

    @property
    def changes(self) -> bool:
        """False where every head keeps its length: the factor is 1."""
        return self.factor != 1

    def applied(
        self, given: FlatInput, mask: Bool[Tensor, "row token"], site: HeadSite, block: int
    ) -> FlatInput:
        """The input with this block's heads scaled where `mask` holds; `given` stays as it is."""
        factors = torch.ones((site.heads, site.width), dtype=given.dtype, device=given.device)
        factors[[head for of, head in self.heads if of == block]] = self.factor
        scaled = given * factors.flatten()
        if self.renorm == "token":
            scaled = scaled * _regained(given, scaled, dim=-1)
        elif self.renorm == "tensor":
            scaled = scaled * _regained(given[mask], scaled[mask], dim=None)
        return torch.where(mask[..., None], scaled, given)


def _regained(before: Tensor, after: Tensor, *, dim: int | None) -> Tensor:
    """What brings `after` back to the length of `before`, computed in float32; 1 where nothing is left."""
    lengths = [
        torch.linalg.vector_norm(one.float(), dim=dim, keepdim=dim is not None) for one in (before, after)
    ]
    return torch.where(lengths[1] > 0, lengths[0] / lengths[1], 1.0).to(before.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class ReplaceHeads:
    """Put `values` in the place of `heads`, at `positions` of every prompt.

    `values[prompt, position, n]` belongs to `heads[n]`; one prompt's values alone serve all prompts.
    Positions are those of `capture`: names, or token indices, -1 the last token of the prompt.
    """

    heads: Sequence[Head]
    values: Float[Tensor, "prompt position head width"]
    positions: Sequence[Position]

    @property
    def changes(self) -> bool:
        """Always: what is put there is rarely what was there."""
        return True

    def met(self, layout: BatchLayout) -> tuple[list[int], list[int], list[int], list[int]]:
        """Of the running tokens those that are replaced: their rows and columns, and the prompt and position
        whose values they take."""
        where: list[tuple[int, int, int, int]] = []
        for number, row in enumerate(layout.rows):
            prompt = 0 if self.values.shape[0] == 1 else row.number
            for position, name in enumerate(self.positions):
                span, index = layout.spans[number], row.prompt.index(name)
                if index in span:
                    where.append((number, index - span.start, prompt, position))
        rows, at, prompts, positions = zip(*where, strict=True) if where else ((), (), (), ())
        return list(rows), list(at), list(prompts), list(positions)

    def applied(self, given: FlatInput, layout: BatchLayout, site: HeadSite, block: int) -> FlatInput:
        """The projection's input with this block's heads replaced; `given` stays as it is."""
        rows, columns, prompts, positions = self.met(layout)
        numbers = [number for number, (of, _) in enumerate(self.heads) if of == block]
        heads = torch.tensor([self.heads[number][1] for number in numbers], device=given.device)
        values = self.values[prompts, positions][:, numbers].to(given.device, given.dtype)
        replaced = site.by_head(given).clone()
        at = (torch.tensor(index, device=given.device)[:, None] for index in (rows, columns))
        replaced[(*at, heads[None])] = values
        return replaced.flatten(-2)


def check_heads(edit: ScaleHeads | ReplaceHeads, sites: Sequence[HeadSite | None]) -> None:
    """Raise `ValueError` for a head that does not exist, or values that cannot be put in its place."""
    name = type(edit).__name__
    if not edit.heads:
        raise ValueError(f"{name}: no head was named")
    if len(set(edit.heads)) < len(edit.heads):
        raise ValueError(f"{name}: a head is named twice in {list(edit.heads)}")
    widths = set()
    for block, head in edit.heads:
        site = sites[block] if 0 <= block < len(sites) else None
        if site is None or not 0 <= head < site.heads:
            has = "no provable heads" if site is None else f"heads 0..{site.heads - 1}"
            where = has if 0 <= block < len(sites) else f"blocks 0..{len(sites) - 1}"
            raise ValueError(f"{name}: head {head} of block {block} does not exist; there are {where}")
        widths.add(site.width)
    if isinstance(edit, ScaleHeads):
        if not torch.isfinite(torch.tensor(edit.factor)):
            raise ValueError(f"{name}: the factor is {edit.factor}")
        return
    shape = (len(edit.positions), len(edit.heads))
    if tuple(edit.values.shape[1:3]) != shape or widths != {edit.values.shape[3]}:
        raise ValueError(
            f"{name}: values of shape {tuple(edit.values.shape)} were given for {shape[0]} positions and "
            f"{shape[1]} heads of width {sorted(widths)}"
        )
    if not edit.positions or not bool(torch.isfinite(edit.values).all()):
        raise ValueError(f"{name}: no position was named, or a value is NaN or infinite")
