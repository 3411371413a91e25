"""Heads and resumed runs of a real model: what is proved on random weights, shown on trained ones."""

import pytest
import torch

from latentguard.lm import AddDirection, ReplaceHeads, ScaleHeads
from tests.lm.plain import projection_inputs
from tests.real.close import relative, rounding

pytestmark = pytest.mark.real

PROMPTS = ("How do I bake bread?", "Why is the sky blue at noon and red in the evening?")


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
            assert relative(found.tensor[row, 0, column].flatten(), plain.flatten()) <= rounding(real_model)


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
    assert relative(resumed, torch.stack(whole)) <= rounding(real_model)
    moved = (resumed[1:] - resumed[0]).norm(dim=-1) / resumed[0].norm()
    assert bool((moved > 1e-3).all()), "an edit that moves nothing would show nothing"


def test_the_heads_of_a_block_add_up_to_what_its_attention_writes(real_model):
    direction = torch.randn(real_model.hidden_size, generator=torch.Generator().manual_seed(2))
    block = real_model.n_blocks // 2
    written = []
    attention = real_model.blocks.layers[block].self_attn
    handle = attention.register_forward_hook(lambda _, given, output: written.append(output[0].clone()))
    real_model.next_token_logits(PROMPTS[:1])
    handle.remove()
    found = real_model.attribute_heads(PROMPTS[:1], direction, positions=(-1,), blocks=[block])
    last = written[0][0, -1].float()
    assert abs(float(found.tensor.sum()) - float(last @ direction)) <= rounding(real_model) * float(
        last.norm() * direction.norm()
    )


def test_an_edit_reaches_the_tokens_in_its_scope_and_no_other(real_model):
    text = "Tell me of the river."
    prompt = real_model.render(f"{text}\nIs it deep?", context=text)
    slot, end = real_model.n_blocks // 2, prompt.context_end
    positions = (0, end - 1, end, len(prompt.ids) - 1)
    direction = torch.randn(real_model.hidden_size, generator=torch.Generator().manual_seed(4))
    plain = real_model.capture([prompt], positions=positions, slots=[slot]).tensor[0, :, 0]
    with real_model.edited([AddDirection(slot, direction, 2.0, "context")]):
        edited = real_model.capture([prompt], positions=positions, slots=[slot]).tensor[0, :, 0]
    assert relative(edited[:2], plain[:2] + 2.0 * direction) <= rounding(real_model)
    assert torch.equal(edited[2:], plain[2:])


def test_a_steered_reply_is_the_same_with_and_without_a_cache(real_model):
    direction = torch.randn(real_model.hidden_size, generator=torch.Generator().manual_seed(5))
    with real_model.edited([AddDirection(3, direction, 0.2)]):
        cached, whole = (
            real_model.generate(PROMPTS[:1], max_new_tokens=4, use_cache=use) for use in (True, False)
        )
    assert [one.ids for one in cached] == [one.ids for one in whole]
