"""The angle of two directions under draws of their fitting prompts, of a tiny model said to refuse."""

from dataclasses import replace

import pytest
import torch

from latentguard._progress import silent
from latentguard.beliefs import Behaviour, cosine_by_slot, difference_of_means, fit_reading
from latentguard.lm import LanguageModel
from latentguard.report.cosine_draws import RESAMPLES, cosine_draws, drawn_cosines
from latentguard.report.direction_cosines import direction_cosines
from tests.guard.toy import behaviour_of, toy_prompts
from tests.lm.tiny import tiny


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny("Qwen3", seed=1)


def test_a_draw_is_the_cosine_of_the_directions_of_the_prompts_it_took():
    draw = torch.Generator().manual_seed(0)
    # a part that all states share, as large as real models have it, must not cost the digits of the rest
    shared = 1e3 * torch.randn(2, 1, 1, 16, generator=draw)
    states = shared + torch.randn(2, 2, 12, 16, generator=draw)
    taken = [torch.randint(0, 12, (12,), generator=draw) for _ in range(2)]
    means = [[states[at, group, taken[group]].mean(dim=0)[None] for group in range(2)] for at in range(2)]
    expected = cosine_by_slot(*(difference_of_means(*of_position) for of_position in means))
    counts = [torch.bincount(rows, minlength=12) / 12 for rows in taken]
    contrast = torch.cat([counts[0], -counts[1]])[None]
    found = drawn_cosines(states[0].flatten(0, 1), states[1].flatten(0, 1), contrast)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


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
