"""Another threshold for a guard that is fitted: cut on ordinary prompts of whoever uses it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from latentguard.data import Prompt, data_hash
from latentguard.guard.calibration import threshold
from latentguard.guard.manifest import CutOn, Manifest
from latentguard.statistics import wilson


def recut(
    manifest: Manifest,
    prompts: Sequence[Prompt],
    scores: Float[np.ndarray, " prompt"],
    *,
    target_fpr: float,
    seed: int,
) -> Manifest:
    """The record with the lowest threshold that flags at most `target_fpr` of these harmless prompts.

    What it will flag of more such prompts is measured by cutting on either half and counting in the other: on
    its own prompts a threshold keeps its target by construction.
    """
    harmless = np.zeros(len(scores), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(scores))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    flagged = 0
    for cut_on, counted in (halves, halves[::-1]):
        cut = threshold(scores[cut_on], harmless[cut_on], target_fpr=target_fpr)
        flagged += int((scores[counted] >= cut).sum())
    before = manifest.calibration
    own = replace(before, threshold=threshold(scores, harmless, target_fpr=target_fpr))
    return manifest.model_copy(
        update={
            "schema_version": Manifest.model_fields["schema_version"].default,
            "calibrations": manifest.calibrations | {"guard": own},
            "cut_on": CutOn(
                n=len(prompts),
                target_fpr=target_fpr,
                data_hash=data_hash(prompts),
                false_flags=wilson(flagged, len(scores)),
                before=before.threshold if manifest.cut_on is None else manifest.cut_on.before,
            ),
        }
    )
