"""What is captured from a real model is what transformers itself reports."""

from functools import cache

import pytest
import torch

from tests.real.close import relative, rounding

pytestmark = pytest.mark.real

PROMPTS = (
    "How do I bake bread?",
    "Write a short poem about an old bridge, and one about the river below it.",
    "什么是素数？",
    "def add(a, b):\n    return a + b",
)


@cache
@torch.no_grad()
def reported(model, rendered):
    """Slots 0..L-1 from `output_hidden_states`; slot L from the last block: theirs has passed the norm."""
    left = []
    handle = model.blocks.layers[-1].register_forward_hook(
        lambda _module, _arguments, output: left.append(output[0] if isinstance(output, tuple) else output)
    )
    ids = torch.tensor([rendered.ids], device=model.device)
    states = model.module(ids, output_hidden_states=True, use_cache=False).hidden_states
    handle.remove()
    return torch.stack([state[0] for state in (*states[:-1], left[0])], dim=1).float().cpu()


def test_states_of_one_prompt_equal_transformers_own(real_model):
    for prompt in PROMPTS:
        rendered = real_model.render(prompt)
        expected = reported(real_model, rendered)
        captured = real_model.capture([rendered], positions=("t_inst", "t_post_inst")).tensor[0]
        assert relative(captured[0], expected[rendered.t_inst]) <= rounding(real_model)
        assert relative(captured[1], expected[rendered.t_post_inst]) <= rounding(real_model)


def test_a_batch_of_different_lengths_changes_no_state_beyond_rounding(real_model):
    together = real_model.capture(PROMPTS, positions=("t_inst",)).tensor[:, 0]
    for number, prompt in enumerate(PROMPTS):
        rendered = real_model.render(prompt)
        assert relative(together[number], reported(real_model, rendered)[rendered.t_inst]) <= rounding(
            real_model
        )


def test_the_neighbouring_token_is_another_state(real_model):
    rendered = real_model.render(PROMPTS[0])
    captured = real_model.capture([rendered], positions=("t_inst",)).tensor[0, 0]
    beside = reported(real_model, rendered)[rendered.t_inst - 1]
    assert relative(captured[1:], beside[1:]) > 10 * rounding(real_model)
