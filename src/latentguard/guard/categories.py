"""Which kind of harm is it? One more probe a category, by the guard's method on the guard's cells.

    category c: fitted on harmful prompts of c against everything else, harmless and harmful alike

so that its score falls for harm of another kind, too. Zhao et al. 2025, section 5, find one harmfulness
direction a category and mean cosines of 0.60 to 0.73 between them: close enough for one guard to catch all,
and far enough apart to tell which.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from torch import Tensor

from latentguard._progress import Progress
from latentguard.data import Prompt
from latentguard.guard.best import fit_cells
from latentguard.guard.calibration import calibrate
from latentguard.guard.captured import Captured
from latentguard.guard.choice import Choice, mask
from latentguard.guard.evaluation import CategoryRow
from latentguard.guard.fitting_data import FittingData
from latentguard.guard.manifest import FittedCategory
from latentguard.statistics import auroc as estimated_auroc
from latentguard.statistics import wilson
from latentguard.statistics.metrics import auroc, ranked

if TYPE_CHECKING:
    from latentguard.guard.verdict import Verdict

FEWEST_TRAIN: Final = 10
FEWEST_VALIDATION: Final = 3
"""Harmful prompts of a category, with which a probe of it can be fitted and calibrated."""


def fit_categories(
    captured: Captured, data: FittingData, choice: Choice, *, progress: Progress
) -> tuple[tuple[FittedCategory, ...], dict[str, Tensor]]:
    """A probe for every category that has enough harmful prompts in both parts; none where only one has."""
    train, validation = _counts(data.train), _counts(data.validation)
    names = [
        name
        for name in sorted(train)
        if train[name] >= FEWEST_TRAIN and validation[name] >= FEWEST_VALIDATION
    ]
    if len(names) < 2:
        return (), {}
    states, written = choice.cells.of(captured.train), choice.cells.of(captured.written)
    records: list[FittedCategory] = []
    tensors: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        probe = fit_cells(
            states,
            mask(is_of(owner, name) for owner in captured.train_owners),
            choice.method,
            stage=f"fitting the category {name}",
            progress=progress,
        )
        scores = probe.scores(written).double().numpy()
        members = np.array([is_of(one, name) for one in data.validation])
        records.append(
            FittedCategory(
                name=name,
                n_train=train[name],
                n_validation=validation[name],
                calibration=calibrate(scores, members),
                validation_auroc=float(auroc(ranked(scores, members))[0]),
            )
        )
        tensors |= {f"category_{number}.weights": probe.weights, f"category_{number}.bias": probe.bias}
    return tuple(records), tensors


def is_of(prompt: Prompt, category: str) -> bool:
    """Whether it is a harmful prompt of that category."""
    return prompt.label == "harmful" and prompt.category == category


def by_category(
    verdicts: "Sequence[Verdict]", prompts: Sequence[Prompt], *, seed: int = 0
) -> list[CategoryRow]:
    """Each category that some labelled prompts are of, by the verdicts of a guard that has not seen them."""
    names = list(verdicts[0].category_scores) if verdicts else []
    scores = np.array([[one.category_scores[name] for name in names] for one in verdicts])
    harmful = np.array([one.label == "harmful" for one in prompts])
    rows: list[CategoryRow] = []
    for column, name in enumerate(names):
        members = np.array([is_of(one, name) for one in prompts])
        if not members.any():
            continue
        highest = scores[members].argmax(axis=1) == column
        rows.append(
            CategoryRow(
                name=name,
                n=int(members.sum()),
                auroc=estimated_auroc(scores[:, column], members, seed=seed),
                among_harmful=estimated_auroc(scores[harmful, column], members[harmful], seed=seed),
                first=wilson(int(highest.sum()), len(highest)),
            )
        )
    return rows


def _counts(prompts: Sequence[Prompt]) -> Counter[str]:
    return Counter(one.category for one in prompts if one.label == "harmful" and one.category is not None)
