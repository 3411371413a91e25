"""What a guard reads along a conversation: the belief at the end of every message, or of its pieces.

For agents' transcripts, where harm may come in with a tool's result or a retrieved document and not with the
user's words. One forward pass reads all of them.
"""

from dataclasses import dataclass

from torch import Tensor

from latentguard.guard.manifest import Manifest
from latentguard.guard.scoring import harmfulness, probe_named
from latentguard.lm import Conversation, LanguageModel, Passage, States


@dataclass(frozen=True, slots=True)
class PassageVerdict:
    """What the guard reads at the last token of one passage."""

    passage: Passage
    harmfulness: float
    """Harmfulness belief over the guard's slots, in [-2, 2], as a verdict's at t_inst."""
    score: float | None
    """What the guard's method computes there; None for one that also reads t_post_inst, which a passage has
    not."""
    probability: float | None
    """Calibrated on last user turns: at other messages it ranks, and promises no share."""
    flagged: bool | None


def read_passages(
    model: LanguageModel,
    manifest: Manifest,
    tensors: dict[str, Tensor],
    conversation: Conversation,
    every: int | None,
) -> list[PassageVerdict]:
    """One verdict a passage of `conversation`, in the order of the text."""
    passages = model.chat.passages(conversation, every=every)
    read = model.capture(
        [conversation],
        positions=[passage.stop - 1 for passage in passages],
        slots=manifest.fitted.slots,
    )
    states = States(read.tensor[0].unsqueeze(1), ("t_inst",), read.slots)  # each passage as a prompt's t_inst
    beliefs = harmfulness(states, manifest, tensors).tolist()
    scores: list[float | None] = [None] * len(passages)
    if manifest.fitted.positions == ("t_inst",):
        probe = probe_named(tensors, "probe", manifest.fitted.method)
        scores = list(probe.scores(manifest.fitted.cells.of(states)).double().tolist())
    calibration = manifest.calibration
    return [
        PassageVerdict(
            passage,
            belief,
            score,
            None if score is None else calibration.probability(score),
            None if score is None else calibration.flags(score),
        )
        for passage, belief, score in zip(passages, beliefs, scores, strict=True)
    ]
