"""The same guard on untrained copies of the same model: what its architecture alone can do.

A random network is a good bag-of-words feature map. A copy goes through the guard's own pipeline: the same
prompts and endings, every method and position that the fit was allowed, its own choice among them by the same
rule on the same validation prompts, from the slots no deeper than the guard's deepest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Endings, Prompt
from latentguard.guard.best import best
from latentguard.guard.calibration import Calibration, calibrate
from latentguard.guard.captured import capture_fit, staged
from latentguard.guard.cells import Position, positions_read
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.guard.manifest import FittedUntrained
from latentguard.guard.probe import Method, Probe
from latentguard.lm import LanguageModel


@dataclass(frozen=True, slots=True, eq=False)
class UntrainedFit:
    """One copy's record, probe and calibration."""

    record: FittedUntrained
    probe: Probe
    calibration: Calibration


def fit_untrained(
    model: LanguageModel,
    data: FittingData,
    *,
    seed: int,
    methods: Sequence[Method],
    positions: Sequence[Position],
    runs: Sequence[Sequence[int]],
    endings: Endings,
    target_fpr: float | None,
    progress: Progress,
) -> UntrainedFit:
    """Fit one copy: of `methods`, `positions` and `runs` it chooses as the guard did.

    Only positions that one of `positions` reads are captured. The copy's weights are gone when this returns.
    """
    staged_here = staged(progress, f"untrained copy {seed}")
    slots = tuple(sorted({slot for run in runs for slot in run}))
    copy = model.reinitialised(seed, deepest_slot=slots[-1])
    captured = capture_fit(
        copy,
        data,
        endings=endings,
        positions=positions_read(positions),
        slots=slots,
        progress=staged_here,
    )
    found, probe = best(captured, methods=methods, positions=positions, runs=runs, progress=staged_here)
    written = probe.scores(found.cells.of(captured.written))
    return UntrainedFit(
        record=FittedUntrained(
            seed=seed,
            fingerprint=copy.identity().fingerprint,
            method=found.method,
            positions=found.cells.positions,
            slots=found.cells.slots,
            validation_auroc=found.auroc,
            considered=found.considered,
        ),
        probe=probe,
        calibration=calibrate(
            written.double().numpy(), is_harmful(data.validation).numpy(), target_fpr=target_fpr
        ),
    )


def score_untrained(
    model: LanguageModel,
    record: FittedUntrained,
    probe: Probe,
    prompts: Sequence[Prompt],
    *,
    deepest_slot: int,
    progress: Progress,
) -> Float[np.ndarray, " prompt"] | None:
    """Scores of `prompts` by one copy; None where its weights cannot be made again as they were."""
    copy = model.reinitialised(record.seed, deepest_slot=deepest_slot)
    if copy.identity().fingerprint != record.fingerprint:
        return None
    states = copy.capture(
        [prompt.messages for prompt in prompts],
        positions=record.positions,
        slots=record.slots,
        progress=staged(progress, f"untrained copy {record.seed}"),
    )
    return probe.scores(record.cells.of(states)).double().numpy()
