"""The proof of resuming: an edited run that goes on from a block is the whole edited run."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latentguard.lm.batch_layout import Row
from latentguard.lm.blocks import Blocks
from latentguard.lm.chat.rendered import Rendered
from latentguard.lm.edits.direction import AddDirection
from latentguard.lm.edits.heads import ReplaceHeads, ScaleHeads
from latentguard.lm.edits.in_force import Edit, edited
from latentguard.lm.heads import HeadSite
from latentguard.lm.proof.checks import CANNOT_BE_CALLED_AGAIN, Check, gap
from latentguard.lm.resume import resumed_logits
from latentguard.lm.runs import beginning, run

SAYS = "an edited run that goes on from its first changed block and token is the whole edited run"


def prove_resume(
    blocks: Blocks,
    prompt: Rendered,
    sites: Sequence[HeadSite | None] | None,
    device: torch.device,
    tolerance: float,
    refusals: dict[str, str],
    *,
    may_cache: bool,
) -> list[Check]:
    """Whether alternatives of one prompt, with edits of every kind, resume to the logits of whole runs."""
    hidden, sites = blocks.config.hidden_size, sites or ()
    alternatives = _alternatives(len(blocks), hidden, sites)
    whole = torch.stack([_whole(blocks, prompt, edits, hidden, sites, device) for edits in alternatives])
    try:
        resumed = resumed_logits(
            blocks,
            prompt,
            alternatives,
            device=device,
            hidden_size=hidden,
            sites=sites,
            at_once=len(alternatives),
            may_cache=may_cache,
        )[:, 0]
    except CANNOT_BE_CALLED_AGAIN as reason:
        refusals["resume"] = f"its blocks cannot be called again ({type(reason).__name__})"
        return []
    check = Check("resume", SAYS, gap(resumed, whole), tolerance)
    if not check.passed:
        refusals["resume"] = f"{SAYS}: error {check.error:.2e} > {tolerance:.0e}"
    return [check]


def _alternatives(n_blocks: int, hidden: int, sites: Sequence[HeadSite | None]) -> list[tuple[Edit, ...]]:
    """A vector added at the first and a middle slot, heads scaled in the first block that has some, and
    replaced in the last, at the prompt's end."""
    vector = torch.randn(hidden, generator=torch.Generator().manual_seed(11))
    found: list[tuple[Edit, ...]] = [(AddDirection(slot, vector),) for slot in (0, n_blocks // 2)]
    with_heads = [(block, site) for block, site in enumerate(sites) if site is not None]
    if with_heads:
        (first, _), (last, site) = with_heads[0], with_heads[-1]
        values = torch.randn((1, 2, 1, site.width), generator=torch.Generator().manual_seed(12))
        found.append((ScaleHeads([(first, 0)], 0.0),))
        found.append((ReplaceHeads([(last, site.heads - 1)], values, (-1, -3)),))
    return found


@torch.no_grad()
def _whole(
    blocks: Blocks,
    prompt: Rendered,
    edits: Sequence[Edit],
    hidden: int,
    sites: Sequence[HeadSite | None],
    device: torch.device,
) -> Tensor:
    with edited(blocks, edits, hidden, sites):
        normed = run(
            blocks, beginning(blocks, 1, device, cached=False), [prompt.ids], [0], [Row(0, 1, prompt)]
        )
    return blocks.logits_of_normed(normed[0, -1]).cpu()
