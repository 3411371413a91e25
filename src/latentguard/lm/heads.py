"""Query heads: a head is a slice of the input of its block's attention output projection.

Found and proved through the attention itself: while one tiny prompt runs, the results of the model's
attention are watched, by heads. Zeroing head h of the result must zero slice h of the projection's input and
change no other slice: an identity that holds for any slicing would prove nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.lm.attention_watch import Call, Watch, watching_functions, watching_products
from latentguard.lm.slots import listed

FlatInput = Float[Tensor, "row token heads_by_width"]


@dataclass(frozen=True, slots=True, eq=False)
class HeadSite:
    """Head h of a block is `[..., h * width : (h + 1) * width]` of `projection`'s input."""

    projection: nn.Module
    heads: int
    width: int

    def by_head(self, given: FlatInput) -> Float[Tensor, "row token head width"]:
        """The projection's input, a head a slice."""
        return given.unflatten(-1, (self.heads, self.width))


@dataclass(frozen=True, slots=True)
class HeadProof:
    """The sites by block (None where a block has no provable heads), and what was measured."""

    sites: tuple[HeadSite | None, ...]
    own_slice: float
    """Largest absolute value left in a zeroed head's slice; 0 when proved."""
    other_slices: float
    """Largest absolute change in any other slice; 0 when proved."""


def prove_heads(decoder: nn.Module, layers: nn.ModuleList, run: Callable[[], Any]) -> HeadProof | None:
    """The site of every block, and the zeroing proof in the first, middle and last block that has one.

    `run` runs the model once on a short prompt. None where no block has a site: its attention is neither
    called through transformers' interface nor a product of attention weights and values that its
    projection is handed by heads.
    """
    for way in (watching_functions, watching_products):
        with way(decoder, layers) as watch:
            proof = _prove(watch, layers, run)
        if proof is not None:
            return proof
    return None


def _prove(watch: Watch, layers: nn.ModuleList, run: Callable[[], Any]) -> HeadProof | None:
    plain = watch.run(run)
    calls = {call.block: call for call in plain.calls}  # one a block: the last
    if not calls:
        return None
    zeroed = watch.run(run, zero={call.number: 0 for call in calls.values()})
    sites = {
        block: site
        for block, call in calls.items()
        if (site := _site(watch.projections[block], call, plain.inputs, zeroed.inputs)) is not None
    }
    if not sites:
        return None
    own = other = 0.0
    for block in _ends(sorted(sites)):
        site = sites[block]
        before = site.by_head(plain.inputs[id(site.projection)])
        for head in _ends(range(site.heads)):
            if not bool(before[..., head, :].any()):
                return None  # zeroing it would show nothing
            found = watch.run(run, zero={calls[block].number: head})
            after = site.by_head(found.inputs[id(site.projection)])
            rest = [one for one in range(site.heads) if one != head]
            own = max(own, float(after[..., head, :].abs().max()))
            if rest:
                other = max(other, float((after - before)[..., rest, :].abs().max()))
    return HeadProof(tuple(sites.get(block) for block in range(len(layers))), own, other)


def _site(
    projections: Sequence[nn.Module], call: Call, plain: dict[int, Tensor], zeroed: dict[int, Tensor]
) -> HeadSite | None:
    """The one projection of this block that is handed the heads side by side; where something works on each
    of them first (a gate), the one in whose input head 0 was not zero, and is, now that it was zeroed."""
    flat = call.result.flatten(2)
    sites = [
        HeadSite(one, call.heads, call.width)
        for one in projections
        if id(one) in plain and plain[id(one)].shape == flat.shape
    ]
    handed = [one for one in sites if torch.equal(plain[id(one.projection)], flat)]
    follows = [
        one
        for one in sites
        if bool(one.by_head(plain[id(one.projection)])[..., 0, :].any())
        and not bool(one.by_head(zeroed[id(one.projection)])[..., 0, :].any())
    ]
    found = handed or follows
    return found[0] if len(found) == 1 else None


def _ends(members: Sequence[int]) -> list[int]:
    """The first, the middle and the last."""
    return sorted({members[0], members[len(members) // 2], members[-1]})


def chosen_sites(
    sites: Sequence[HeadSite | None], blocks: Iterable[int] | None
) -> list[tuple[int, HeadSite]]:
    """The sites of these blocks, or of all that have one, ascending, which are read into one tensor.

    Raises `ValueError` for a block without a site, and where heads differ in number or width.
    """
    has = [block for block, site in enumerate(sites) if site is not None]
    chosen = has if blocks is None else sorted(set(blocks))
    if not chosen or not set(chosen) <= set(has):
        raise ValueError(f"heads of blocks {listed(chosen)} were asked for; blocks {listed(has)} have heads")
    found = [(block, site) for block in chosen if (site := sites[block]) is not None]
    if len({(site.heads, site.width) for _, site in found}) > 1:
        shapes = ", ".join(f"block {block}: {site.heads} of {site.width}" for block, site in found)
        raise ValueError(
            f"heads differ in number or width ({shapes}).\n  Ask for those that are alike, a kind at a time."
        )
    return found
