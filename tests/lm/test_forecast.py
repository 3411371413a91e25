"""What work will cost: what is counted before is what runs."""

import pytest

from latentguard.lm import LanguageModel
from latentguard.lm.forecast import Tally
from tests.lm.tiny import tiny

PROMPTS = ["Sing a song.", "Sing a long song about the sea"]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny("Qwen2")


def test_forwards_and_tokens_are_those_of_the_rendered_prompts(model: LanguageModel) -> None:
    tally = Tally(model)
    tally.run(PROMPTS, 2)
    tally.run([model.render(PROMPTS[0])], 0.5)
    tally.reply(3, 16)
    found = tally.total()
    first, second = (len(model.render(prompt).ids) for prompt in PROMPTS)
    assert found.forwards == 4.5
    assert found.tokens == 2.5 * first + 2 * second + 48
    assert found.minutes > 0


def test_memory_is_the_weights_the_states_that_are_kept_and_the_logits_of_a_batch(
    model: LanguageModel,
) -> None:
    def gigabytes(*, kept: int, rows: int) -> float:
        tally = Tally(model)
        tally.run(PROMPTS[:1])
        tally.keep(kept)
        return tally.total(rows=rows).gigabytes

    least = gigabytes(kept=0, rows=1)
    weights = sum(one.numel() * 4 for one in model.module.parameters()) / 1e9
    assert least > weights
    state = model.n_slots * model.hidden_size * 4 / 1e9
    assert gigabytes(kept=1000, rows=1) - least == pytest.approx(1000 * state)
    assert gigabytes(kept=0, rows=9) > least
