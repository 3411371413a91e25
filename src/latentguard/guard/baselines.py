"""What a guard's figures are set beside: scores that use no belief, on the same prompts.

permuted_labels    the guard's method on its cells, training labels shuffled
length             number of characters
final_punctuation  the ending alone
tfidf              logistic regression on TF-IDF words and word pairs
refusal_belief     is the model going to refuse, read at t_post_inst
untrained          the same pipeline, its whole choice included, on re-initialised copies of the model

All were fitted on the guard's training prompts and calibrated on its validation prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.data import Prompt
from latentguard.guard.calibration import Calibration
from latentguard.guard.manifest import Manifest
from latentguard.guard.scoring import Scores, probe_named
from latentguard.guard.untrained import score_untrained
from latentguard.lm import LanguageModel


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One thing to measure: for each copy, a score for each prompt and the calibration of its fit."""

    name: str
    copies: tuple[tuple[Float[np.ndarray, " prompt"], Calibration], ...]
    unavailable: str | None = None


def with_baselines(
    model: LanguageModel,
    manifest: Manifest,
    tensors: dict[str, Tensor],
    prompts: Sequence[Prompt],
    scores: Scores,
    *,
    progress: Progress,
) -> list[Scored]:
    """The guard first, then every baseline; one that cannot be had says why."""
    fitted = manifest.calibrations
    permuted = tuple((values, fitted[f"permuted_{number}"]) for number, values in enumerate(scores.permuted))
    refusal = () if scores.refusal is None else ((scores.refusal, fitted["refusal_belief"]),)
    return [
        Scored("guard", ((scores.score, fitted["guard"]),)),
        Scored("permuted_labels", permuted, None if permuted else "no permutation was fitted"),
        Scored("length", ((manifest.text.length(prompts), fitted["length"]),)),
        Scored("final_punctuation", ((manifest.text.ending(prompts), fitted["final_punctuation"]),)),
        Scored("refusal_belief", refusal, manifest.refusal_unavailable),
        _tfidf(manifest, prompts),
        _untrained(model, manifest, tensors, prompts, progress),
    ]


def _tfidf(manifest: Manifest, prompts: Sequence[Prompt]) -> Scored:
    if "tfidf" not in manifest.calibrations:
        return Scored("tfidf", (), "its words were left out when this guard was published")
    return Scored("tfidf", ((manifest.text.tfidf(prompts), manifest.calibrations["tfidf"]),))


def _untrained(
    model: LanguageModel,
    manifest: Manifest,
    tensors: dict[str, Tensor],
    prompts: Sequence[Prompt],
    progress: Progress,
) -> Scored:
    copies: list[tuple[Float[np.ndarray, " prompt"], Calibration]] = []
    for number, record in enumerate(manifest.untrained):
        name = f"untrained_{number}"
        found = score_untrained(
            model,
            record,
            probe_named(tensors, name, record.method),
            prompts,
            deepest_slot=manifest.deepest_slot,
            progress=progress,
        )
        if found is None:
            return Scored(
                "untrained",
                (),
                "the copies of the fit cannot be made again here (other architecture or versions): fit again",
            )
        copies.append((found, manifest.calibrations[name]))
    return Scored("untrained", tuple(copies), None if copies else "no copy was fitted")
