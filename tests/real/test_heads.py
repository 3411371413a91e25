"""Heads and resumed runs of a real model: what is proved on random weights, shown on trained ones."""

import pytest
import torch

from latentguard.lm import AddDirection, ReplaceHeads, ScaleHeads
from tests.lm.plain import projection_inputs

pytestmark = pytest.mark.real

PROMPTS = ("How do I bake bread?", "Why is the sky blue at noon and red in the evening?")
ROUNDING = 0.03
"""Largest relative difference that bfloat16 explains between two orders of the same sums."""


def relative(found, expected):
    """Largest difference of two rows, as a share of their length."""
    found, expected = found.float(), expected.float()
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def test_everything_is_proved(real_model):
    assert all(real_model.proof.supports().values())
    assert all(check.passed for check in real_model.proof.checks)


def test_heads_are_what_the_output_projection_is_handed(real_model):
    blocks = [0, real_model.n_blocks // 2, real_model.n_blocks - 1]
    found = real_model.capture_heads(PROMPTS, blocks=blocks)
    for row, prompt in enumerate(PROMPTS):
        rendered = real_model.render(prompt)
        for column, block in enumerate(blocks):
            plain = projection_inputs(real_model, block, rendered.ids)[rendered.t_inst]
            assert relative(found.tensor[row, 0, column].flatten(), plain.flatten()) <= ROUNDING


def test_resumed_runs_are_whole_runs(real_model):
    direction = torch.randn(real_model.hidden_size, generator=torch.Generator().manual_seed(0))
    middle = real_model.n_blocks // 2
    values = real_model.capture_heads(PROMPTS[1:], positions=(-1,), blocks=[middle]).of([(middle, 0)])
    alternatives = [
        [],
        [AddDirection(1, direction, 0.1)],
        [AddDirection(middle, direction)],
        [ScaleHeads([(middle, 0), (1, 1)], 0.0)],
        [ReplaceHeads([(middle, 0)], values, (-1,))],
    ]
    whole = []
    for edits in alternatives:
        with real_model.edited(edits):
            whole.append(real_model.next_token_logits(PROMPTS[:1])[0])
    resumed = real_model.edited_logits(PROMPTS[0], alternatives)
    assert relative(resumed, torch.stack(whole)) <= ROUNDING
    moved = (resumed[1:] - resumed[0]).norm(dim=-1) / resumed[0].norm()
    assert bool((moved > 1e-3).all()), "an edit that moves nothing would show nothing"
