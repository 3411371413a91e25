"""The proof of edits: a vector added at a slot is read there, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from latentguard.lm.blocks import Blocks
from latentguard.lm.chat import Rendered
from latentguard.lm.edits.direction import AddDirection
from latentguard.lm.edits.in_force import edited
from latentguard.lm.proof.checks import Check, captured, gap


def prove_edits(
    blocks: Blocks,
    prompts: Sequence[Rendered],
    device: torch.device,
    tolerance: float,
    refusals: dict[str, str],
) -> list[Check]:
    """Whether a vector that is added to the first tokens of padded prompts is read there, at the slot it was
    added, and nowhere else, and whether the model runs on with it."""
    scoped = [replace(one, context_end=one.t_inst, t_inst=one.t_inst - 1) for one in prompts]
    outside = [replace(one, context_end=one.t_inst) for one in prompts]
    plain, plain_outside = (captured(blocks, some, device, share=False) for some in (scoped, outside))
    touched = elsewhere = 0.0
    for slot in sorted({0, len(blocks) // 2, len(blocks)}):
        vector = torch.randn(blocks.config.hidden_size, generator=torch.Generator().manual_seed(slot))
        vector *= plain[:, 0, slot].norm(dim=-1).mean() / vector.norm()
        with edited(blocks, [AddDirection(slot, vector, 1.0, "context")], blocks.config.hidden_size):
            inside, other = (captured(blocks, some, device, share=False) for some in (scoped, outside))
        touched = max(touched, gap(inside[:, 0, slot], plain[:, 0, slot] + vector))
        elsewhere = max(elsewhere, gap(other[:, :, : slot + 1], plain_outside[:, :, : slot + 1]))
        if slot < len(blocks) and torch.equal(inside[:, 0, slot + 1], plain[:, 0, slot + 1]):
            touched = float("inf")
    checks = [
        Check(
            "edit in scope",
            "a vector added at a slot is read there, and the model runs on with it",
            touched,
            tolerance,
        ),
        Check("edit out of scope", "and no other token of any row is changed at that slot", elsewhere, 0.0),
    ]
    failed = [f"{one.says}: error {one.error:.2e}" for one in checks if not one.passed]
    if failed:
        refusals["edits"] = "; ".join(failed)
    return checks
