"""The same guard on untrained copies of the same model: what its architecture alone can do.

A random network is a good bag-of-words feature map. A copy goes through the guard's own pipeline: the same
prompts and endings, method and positions, its own slots chosen by the same rule on the same validation
prompts, from the slots no deeper than the guard's deepest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Endings, Prompt
from latentguard.guard.calibration import Calibration, calibrate
from latentguard.guard.captured import capture_fit, staged
from latentguard.guard.cells import Cells, Position, positions_of
from latentguard.guard.choice import choose
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.guard.manifest import FittedUntrained
from latentguard.guard.methods import fit_probe
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
    method: Method,
    position: Position,
    runs: Sequence[Sequence[int]],
    endings: Endings,
    target_fpr: float | None,
    progress: Progress,
) -> UntrainedFit:
    """Fit one copy; its weights are gone when this returns."""
    positions = positions_of(position)
    slots = tuple(sorted({slot for run in runs for slot in run}))
    copy = model.reinitialised(seed, deepest_slot=slots[-1])
    captured = capture_fit(
        copy,
        data,
        endings=endings,
        positions=positions,
        slots=slots,
        progress=staged(progress, f"untrained copy {seed}"),
    )
    read = Cells(positions, slots)
    probe = fit_probe(read.of(captured.train), captured.train_harmful, method)
    scores = probe.cell_scores(read.of(captured.validation))
    found = choose(
        {method: scores},
        read,
        captured.validation_harmful,
        positions=(position,),
        slots=runs,
    )
    cells = found.cells.within(read)
    written = probe.cell_scores(read.of(captured.written))[:, cells].mean(dim=1)
    return UntrainedFit(
        record=FittedUntrained(
            seed=seed,
            fingerprint=copy.identity().fingerprint,
            slots=found.cells.slots,
            validation_auroc=found.auroc,
        ),
        probe=probe.at(cells),
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
    positions: tuple[str, ...],
    deepest_slot: int,
    progress: Progress,
) -> Float[np.ndarray, " prompt"] | None:
    """Scores of `prompts` by one copy; None where its weights cannot be made again as they were."""
    copy = model.reinitialised(record.seed, deepest_slot=deepest_slot)
    if copy.identity().fingerprint != record.fingerprint:
        return None
    states = copy.capture(
        [prompt.messages for prompt in prompts],
        positions=positions,
        slots=record.slots,
        progress=staged(progress, f"untrained copy {record.seed}"),
    )
    return probe.scores(Cells(positions, record.slots).of(states)).double().numpy()
