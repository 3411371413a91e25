"""A threshold cut on ordinary prompts: it keeps its target, says what to expect, and changes no score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from latentguard.data import Prompt
from latentguard.errors import TooFewPrompts
from latentguard.guard import Guard
from latentguard.guard.calibration import threshold
from latentguard.lm import LanguageModel


@given(some.lists(some.floats(-2, 2), min_size=1, max_size=60), some.floats(0.01, 0.9))
def test_a_threshold_keeps_its_target_where_nothing_is_harmful(scores: list[float], target: float) -> None:
    given_scores = np.array(scores)
    cut = threshold(given_scores, np.zeros(len(scores), dtype=bool), target_fpr=target)
    assert (given_scores >= cut).mean() <= target + 1e-9


def test_decisions_change_and_scores_stay(guard: Guard, unseen: list[Prompt]) -> None:
    ordinary = [one for one in unseen if one.label == "harmless"]
    before = guard.score(unseen)
    made = guard.calibrated(unseen, target_fpr=0.2)
    after = made.score(unseen)
    assert [one.score for one in after] == [one.score for one in before]
    assert [one.probability for one in after] == [one.probability for one in before]
    flagged = sum(one.flagged for one in made.score(ordinary))
    assert flagged <= 0.2 * len(ordinary)
    cut = made.manifest.cut_on
    assert cut is not None
    assert cut.n == len(ordinary)  # those that are labelled harmful are left out
    assert cut.before == guard.manifest.calibration.threshold
    assert cut.false_flags.n == len(ordinary)
    assert cut.false_flags.low is not None


def test_it_is_saved_with_what_it_was_cut_on(
    guard: Guard, model: LanguageModel, unseen: list[Prompt], tmp_path
) -> None:
    made = guard.calibrated(unseen, target_fpr=0.2)
    made.save(tmp_path / "guard")
    again = Guard.load(tmp_path / "guard", model)
    assert again.manifest.cut_on == made.manifest.cut_on
    assert again.manifest.calibration == made.manifest.calibration
    twice = again.calibrated(unseen, target_fpr=0.5)
    assert twice.manifest.cut_on is not None
    assert twice.manifest.cut_on.before == guard.manifest.calibration.threshold


@pytest.mark.parametrize(("n", "target"), [(9, 0.5), (19, 0.05)])
def test_too_few_prompts_cut_nothing(guard: Guard, n: int, target: float) -> None:
    with pytest.raises(TooFewPrompts, match="at least"):
        guard.calibrated([f"a plain thing {number}" for number in range(n)], target_fpr=target)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, 2.0])
def test_a_target_outside_is_refused(guard: Guard, target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        guard.calibrated(["x"] * 100, target_fpr=target)
