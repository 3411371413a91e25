"""The angle of two directions, and an interval that is about prompts, not about slots or ending variants."""

import math

import pytest
import torch

from latentguard._progress import silent
from latentguard.beliefs import cosine_by_slot, stacked
from latentguard.lm import LanguageModel
from latentguard.organism import PromptKind, sample_prompts
from latentguard.verify.angle import angle, angle_line, mean_absolute_cosine
from latentguard.verify.classes import Parts, Planted
from latentguard.verify.fitted import Fitted, fitted
from tests.verify.pretender import reading

SLOTS, HIDDEN = 5, 8


def states(count: int, *, harm: list[float], refusal: list[float], spread: float, seed: int) -> torch.Tensor:
    """Prompts whose states lie around one vector at each position, the same at every slot but slot 0."""
    centre = torch.zeros(2, SLOTS, HIDDEN)
    centre[0, 1:, : len(harm)] = torch.tensor(harm)
    centre[1, 1:, : len(refusal)] = torch.tensor(refusal)
    noise = torch.randn(count, 2, SLOTS, HIDDEN, generator=torch.Generator().manual_seed(seed))
    return centre + spread * noise


def two_classes(cosine: float, *, spread: float, count: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    sine = math.sqrt(1 - cosine**2)
    positive = states(count, harm=[1.0, 0.0], refusal=[cosine, sine], spread=spread, seed=1)
    return positive, states(count, harm=[0.0], refusal=[0.0], spread=spread, seed=2)


def line_of(cosine: float, monkeypatch: pytest.MonkeyPatch, organism: LanguageModel):
    """`angle_line` of prompts whose states are made up."""
    classes = iter(two_classes(cosine, spread=0.0))
    monkeypatch.setattr("latentguard.verify.angle.prompt_states", lambda *_, **__: next(classes))
    return angle_line(organism, Fitted(reading(), (), ()), progress=silent)


@pytest.mark.parametrize("cosine", [0.0, 0.3, -0.6, 1.0])
def test_the_angle_is_the_absolute_cosine_of_the_two_directions(cosine: float) -> None:
    measured = angle(*two_classes(cosine, spread=0.0))
    assert measured.value == pytest.approx(abs(cosine), abs=1e-6)
    assert measured.interval == pytest.approx((abs(cosine), abs(cosine)), abs=1e-6)


def test_slot_0_has_no_say() -> None:
    positive, negative = two_classes(0.0, spread=0.0)
    positive[:, :, 0] = 1.0
    assert mean_absolute_cosine(positive, negative) == pytest.approx(0.0, abs=1e-6)


def test_the_interval_covers_the_planted_angle_and_narrows_with_more_prompts() -> None:
    few, many = (angle(*two_classes(0.6, spread=0.5, count=count)) for count in (20, 400))
    assert (few.n, many.n) == (40, 800)
    assert many.interval[0] < 0.6 < many.interval[1]
    assert many.interval[1] - many.interval[0] < 0.5 * (few.interval[1] - few.interval[0])


def test_the_interval_does_not_narrow_with_more_slots_of_the_same_prompts() -> None:
    """Over slots as a sample, ten times as many would give a third of the width."""
    positive, negative = two_classes(0.6, spread=0.5)
    once = angle(positive, negative)
    tenfold = angle(
        *(
            torch.cat([one[:, :, :1], one[:, :, 1:].repeat(1, 1, 10, 1)], dim=2)
            for one in (positive, negative)
        )
    )
    assert tenfold.interval == pytest.approx(once.interval, abs=1e-5)


def test_the_interval_is_the_same_each_time_and_another_by_seed() -> None:
    classes = two_classes(0.4, spread=0.5)
    first, again, other = (angle(*classes, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.interval != other.interval


@pytest.mark.parametrize(("cosine", "passed"), [(0.29, True), (-0.29, True), (0.31, False), (-0.31, False)])
def test_the_line_holds_up_to_its_bound(
    cosine: float, passed: bool, monkeypatch: pytest.MonkeyPatch, organism: LanguageModel
) -> None:
    line = line_of(cosine, monkeypatch, organism)
    assert (line.bound, line.passed, line.n) == ("<= 0.30", passed, 60)


def test_without_a_refusal_direction_there_is_no_angle(organism: LanguageModel) -> None:
    line = angle_line(organism, Fitted(reading(unavailable="it never refuses"), (), ()), progress=silent)
    assert math.isnan(line.measured)
    assert (line.bound, line.n, line.passed, line.note) == ("<= 0.30", 0, False, "it never refuses")


def parts(kind: PromptKind, harmful: bool) -> Parts:
    return Parts(Planted(kind, kind, harmful, harmful), sample_prompts(kind, 12, seed=7), [], [])


def test_what_is_measured_is_the_angle_of_the_readings_directions(organism: LanguageModel) -> None:
    fit = fitted(organism, parts("harmful", True), parts("harmless", False), progress=silent)
    of_reading = cosine_by_slot(
        stacked(fit.reading.directions("harmfulness")), stacked(fit.reading.directions("refusal"))
    )
    line = angle_line(organism, fit, progress=silent)
    assert line.measured == pytest.approx(float(of_reading[1:].abs().mean()), abs=1e-5)
    assert line.n == fit.reading.harmfulness.n_positive + fit.reading.harmfulness.n_negative
