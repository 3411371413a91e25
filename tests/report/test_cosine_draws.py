"""The angle of two directions under draws of their fitting prompts, of a tiny model said to refuse."""

from dataclasses import replace

import pytest
import torch

from latentguard._progress import silent
from latentguard.beliefs import Behaviour, fit_reading
from latentguard.lm import LanguageModel
from latentguard.report.cosine_draws import RESAMPLES, cosine_draws
from latentguard.report.direction_cosines import direction_cosines
from tests.guard.toy import behaviour_of, toy_prompts
from tests.lm.tiny import tiny


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny("Qwen3", seed=1)


@pytest.mark.parametrize("endings", ["balanced", "as_written"])
def test_prompts_that_are_all_alike_have_one_angle_and_it_is_that_of_the_reading(model, endings):
    two = behaviour_of(toy_prompts([1]))
    harmful, harmless = two.prompts
    refused, accepted = (replace(two.replies[0], refused=answer) for answer in (True, False))
    alike = Behaviour((harmful,) * 10 + (harmless,) * 10, (refused,) * 10 + (accepted,) * 10, 16)
    draws = cosine_draws(model, alike, endings=endings, progress=silent)
    assert draws.shape == (RESAMPLES, model.n_slots)
    reading = fit_reading(model, alike, endings=endings)
    curve = direction_cosines(reading, draws)
    torch.testing.assert_close(
        draws[:, 1:], torch.tensor(curve.values[1:]).expand(RESAMPLES, -1), atol=1e-3, rtol=0
    )
    assert curve.high[1:] == pytest.approx(curve.low[1:], abs=1e-3)


def test_four_times_the_prompts_halve_the_interval(model):
    few = behaviour_of(toy_prompts(range(40)))
    many = Behaviour(few.prompts * 4, few.replies * 4, 16)
    spread = [
        cosine_draws(model, seen, endings="as_written", progress=silent)[:, 1:].std(dim=0)
        for seen in (few, many)
    ]
    torch.testing.assert_close(spread[1] / spread[0], torch.full_like(spread[0], 0.5), atol=0.1, rtol=0)


def test_prompts_of_one_pair_are_one_observation(model):
    few = behaviour_of(toy_prompts(range(40)))
    few = replace(few, prompts=tuple(replace(prompt, base_id=prompt.id) for prompt in few.prompts))
    many = Behaviour(few.prompts * 4, few.replies * 4, 16)
    spread = [
        cosine_draws(model, seen, endings="as_written", progress=silent)[:, 1:].std(dim=0)
        for seen in (few, many)
    ]
    torch.testing.assert_close(spread[1] / spread[0], torch.ones_like(spread[0]), atol=0.1, rtol=0)


def test_without_a_refusal_direction_nothing_is_drawn(model):
    seen = behaviour_of(toy_prompts(range(15)))
    never = replace(seen, replies=tuple(replace(reply, refused=False) for reply in seen.replies))
    assert cosine_draws(model, never, endings="balanced", progress=silent) is None
