"""Heads are read and changed where they are proved to be: before the output projection, head by head."""

import pytest
import torch
from torch import Tensor

from latentguard.errors import EditMatchedNothing, LatentGuardError, ModelNotSupported
from latentguard.lm import AddDirection, LanguageModel, ReplaceHeads, ScaleHeads
from latentguard.lm.edits.scope import Scope
from tests.lm.architectures import ARCHITECTURES
from tests.lm.plain import blocks_run, projection_inputs
from tests.lm.tiny import tiny
from tests.lm.where import assert_same, differ, in_float32

PROMPTS = ["Sing.", "Tell me about the river that runs behind the old mill.", "How do I bake bread?"]
POSITIONS = ("t_inst", "t_post_inst")
WITH_HEADS = [name for name, wanted in ARCHITECTURES.items() if "heads" not in wanted.refused]


@pytest.mark.parametrize("name", WITH_HEADS)
def test_heads_in_a_batch_are_those_of_a_plain_run(name: str) -> None:
    model = ARCHITECTURES[name].build()
    found = model.capture_heads(PROMPTS, positions=POSITIONS)
    assert found.blocks == tuple(b for b, width in enumerate(ARCHITECTURES[name].heads) if width is not None)
    for row, prompt in enumerate(PROMPTS):
        rendered = model.render(prompt)
        for column, block in enumerate(found.blocks):
            plain = projection_inputs(model, block, rendered.ids)
            for position in POSITIONS:
                own = found.at(position)[row, column]
                assert_same(own.flatten(), plain[rendered.index(position)].flatten(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", WITH_HEADS)
def test_heads_removed_are_gone_and_put_back_are_as_before(name: str) -> None:
    """Replacing heads by what they were undoes nothing; by another prompt's heads it does."""
    model = ARCHITECTURES[name].build()
    block = next(number for number, width in enumerate(ARCHITECTURES[name].heads) if width is not None)
    heads = [(block, 2), (block, 0)]
    plain = model.next_token_logits(PROMPTS)
    own = model.capture_heads(PROMPTS, positions=(-1, -2)).of(heads)
    with model.edited([ReplaceHeads(heads, own, (-1, -2))]):
        assert_same(model.next_token_logits(PROMPTS), plain, rtol=1e-3, atol=1e-3)
    with model.edited([ReplaceHeads(heads, own.flip(0), (-1, -2))]):
        assert differ(model.next_token_logits(PROMPTS), plain, atol=1e-3)
    with model.edited([ScaleHeads(heads, 0.0)]):
        removed = model.next_token_logits(PROMPTS)
    assert differ(removed, plain, atol=1e-3)


@in_float32
@pytest.mark.parametrize("name", WITH_HEADS)
def test_a_reply_without_heads_is_the_same_with_and_without_a_cache(name: str) -> None:
    model = ARCHITECTURES[name].build()
    block = next(number for number, width in enumerate(ARCHITECTURES[name].heads) if width is not None)
    with model.edited([ScaleHeads([(block, 2), (block, 0)], 0.0)]):
        cached = [one.ids for one in model.generate(PROMPTS, max_new_tokens=4)]
        whole = [one.ids for one in model.generate(PROMPTS, max_new_tokens=4, use_cache=False)]
    assert cached == whole


def test_an_edit_is_read_in_its_own_heads_and_in_no_other(model: LanguageModel) -> None:
    plain = model.capture_heads(PROMPTS, positions=POSITIONS, blocks=[0, 1]).tensor
    with model.edited([ScaleHeads([(1, 2)], 0.5)]):
        edited = model.capture_heads(PROMPTS, positions=POSITIONS, blocks=[0, 1]).tensor
    expected = plain.clone()
    expected[:, :, 1, 2] *= 0.5
    assert_same(edited, expected, rtol=1e-4, atol=1e-5)


def test_early_exit_runs_no_deeper_block_and_not_the_last_to_its_end(qwen: LanguageModel) -> None:
    full = qwen.capture_heads(PROMPTS)
    with blocks_run(qwen) as ran:
        early = qwen.capture_heads(PROMPTS, blocks=[0, 2])
    assert set(ran) == {0, 1}
    assert_same(early.tensor, full.tensor[:, :, [0, 2]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("renorm", ["token", "tensor"])
def test_renormed_heads_keep_the_length_of_all_heads_together(qwen: LanguageModel, renorm: str) -> None:
    """One prompt, whose whole tensor is read: the length of each token's heads, or of all of them."""
    length = len(qwen.render(PROMPTS[0]).ids)
    everywhere = tuple(range(length))
    plain = qwen.capture_heads([PROMPTS[0]], positions=everywhere, blocks=[1]).tensor[0, :, 0]
    seen: list[Tensor] = []
    with qwen.edited([ScaleHeads([(1, 0), (1, 3)], 0.0, renorm)]):
        site = qwen.proof.heads[1]
        handle = site.projection.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
        qwen.next_token_logits([PROMPTS[0]])
        handle.remove()
    edited = seen[0][0].cpu().float().unflatten(-1, (site.heads, site.width))
    assert not edited[:, [0, 3]].any()
    before, after = (one.flatten(1).norm(dim=-1) for one in (plain, edited))
    if renorm == "token":
        assert_same(after, before, rtol=1e-4, atol=1e-5)
    else:
        assert_same(after.norm(), before.norm(), rtol=1e-4, atol=1e-5)
        assert differ(after, before)
    grown = edited[:, [1, 2]] / plain[:, [1, 2]]
    assert bool((grown > 1).all()), "the heads that stay are amplified"


@pytest.mark.parametrize("renorm", ["none", "token", "tensor"])
def test_a_factor_of_one_changes_nothing_bit_for_bit(qwen: LanguageModel, renorm: str) -> None:
    plain = qwen.next_token_logits(PROMPTS)
    with qwen.edited([ScaleHeads([(0, 1), (2, 3)], 1.0, renorm)]):
        assert torch.equal(qwen.next_token_logits(PROMPTS), plain)


@pytest.mark.parametrize("scope", ["prompt", "context", "generated", "all"])
def test_heads_are_scaled_on_the_tokens_in_scope_of_every_row(qwen: LanguageModel, scope: Scope) -> None:
    """A padded batch whose contexts end at different tokens."""
    prompts = [
        qwen.render("Sing.\nLoud?", context="Sing."),
        qwen.render("Tell me about the river.\nIs it deep?", context="Tell me about the river."),
    ]
    positions = range(min(len(one.ids) for one in prompts))
    plain = qwen.capture_heads(prompts, positions=positions, blocks=[1]).tensor[:, :, 0]
    with qwen.edited([ScaleHeads([(1, 2)], 0.5, scope=scope)]):
        if scope == "generated":
            with pytest.raises(EditMatchedNothing):
                qwen.capture_heads(prompts, positions=positions, blocks=[1])
            return
        found = qwen.capture_heads(prompts, positions=positions, blocks=[1]).tensor[:, :, 0]
    for row, prompt in enumerate(prompts):
        assert prompt.context_end is not None
        end = prompt.context_end if scope == "context" else len(prompt.ids)
        expected = plain[row].clone()
        expected[:end, 2] *= 0.5
        assert_same(found[row], expected, rtol=1e-4, atol=1e-5)
    assert prompts[0].context_end < len(positions), "a token behind the shorter context is compared"


def test_renorm_over_a_tensor_counts_the_edited_tokens_of_every_row_and_no_padding(
    qwen: LanguageModel,
) -> None:
    site = qwen.proof.heads[1]
    generator = torch.Generator().manual_seed(0)
    given = torch.randn((2, 5, site.heads * site.width), generator=generator)
    mask = torch.tensor([[True, True, True, True, True], [True, True, True, False, False]])
    edit = ScaleHeads([(1, 0), (2, 3)], 0.0, "tensor")
    found = edit.applied(given, mask, site, 1)
    assert not site.by_head(found)[mask][:, 0].any()
    assert_same(found[mask].norm(), given[mask].norm(), rtol=1e-5, atol=1e-5)
    assert differ(found[0].norm(), given[0].norm(), atol=1e-3), "together, not row by row"
    assert torch.equal(found[~mask], given[~mask])
    other = torch.where(mask[..., None], given, 100.0)
    assert torch.equal(edit.applied(other, mask, site, 1)[mask], found[mask])


def test_per_token_renorm_does_not_depend_on_the_batch(qwen: LanguageModel) -> None:
    with qwen.edited([ScaleHeads([(1, 1)], 0.0, "token")]):
        together = qwen.next_token_logits(PROMPTS)
        alone = torch.cat([qwen.next_token_logits([prompt]) for prompt in PROMPTS])
    assert_same(together, alone, rtol=1e-4, atol=1e-4)


def test_one_value_serves_all_prompts_and_another_number_is_refused(qwen: LanguageModel) -> None:
    mean = qwen.capture_heads(PROMPTS).of([(2, 1)]).mean(dim=0, keepdim=True)
    with qwen.edited([ReplaceHeads([(2, 1)], mean, ["t_inst"])]):
        one = qwen.next_token_logits(PROMPTS)
    with qwen.edited([ReplaceHeads([(2, 1)], mean.expand(3, -1, -1, -1), ["t_inst"])]):
        assert torch.equal(qwen.next_token_logits(PROMPTS), one)
        with pytest.raises(LatentGuardError, match="values for 3 prompts, and 2 are run"):
            qwen.next_token_logits(PROMPTS[:2])


def test_values_follow_their_prompt_through_a_sorted_batch(qwen: LanguageModel) -> None:
    """Prompts run sorted by length; each takes its own values."""
    states = qwen.capture_heads(PROMPTS).of([(1, 0)])
    with qwen.edited([ReplaceHeads([(1, 0)], states.roll(1, dims=0), ["t_inst"])]):
        together = qwen.next_token_logits(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        with qwen.edited([ReplaceHeads([(1, 0)], states.roll(1, dims=0)[row : row + 1], ["t_inst"])]):
            assert_same(qwen.next_token_logits([prompt])[0], together[row], rtol=1e-4, atol=1e-4)


def test_a_block_that_did_not_run_is_no_silent_match(qwen: LanguageModel) -> None:
    """The edit matched in block 0; block 3 never ran, because the capture stopped before it."""
    with (
        qwen.edited([ScaleHeads([(0, 1), (3, 1)], 0.0)]),
        pytest.raises(EditMatchedNothing, match="ScaleHeads at block 3"),
    ):
        qwen.capture(PROMPTS, slots=[2])


def test_head_edits_and_slot_edits_are_in_force_together(qwen: LanguageModel) -> None:
    direction = torch.randn(qwen.hidden_size, generator=torch.Generator().manual_seed(0))
    both = [AddDirection(1, direction), ScaleHeads([(2, 0)], 0.0)]
    logits = []
    for edits in ([], both[:1], both[1:], both):
        with qwen.edited(edits):
            logits.append(qwen.next_token_logits(PROMPTS))
    assert len({tuple(one.flatten().tolist()) for one in logits}) == 4


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (ScaleHeads([], 0.0), "no head was named"),
        (ScaleHeads([(0, 1), (0, 1)], 0.0), "named twice"),
        (ScaleHeads([(9, 0)], 0.0), "there are blocks 0..3"),
        (ScaleHeads([(1, 7)], 0.0), "there are heads 0..3"),
        (ScaleHeads([(0, 0)], float("nan")), "factor is nan"),
        (ReplaceHeads([(0, 0)], torch.zeros(1, 2, 1, 16), ["t_inst"]), "1 positions and 1 heads of width"),
        (ReplaceHeads([(0, 0)], torch.zeros(1, 1, 1, 8), ["t_inst"]), "1 heads of width"),
        (ReplaceHeads([(0, 0)], torch.full((1, 1, 1, 16), float("inf")), ["t_inst"]), "infinite"),
        (ReplaceHeads([(0, 0)], torch.zeros(1, 0, 1, 16), []), "no position"),
    ],
)
def test_a_head_edit_that_cannot_be_is_refused(
    qwen: LanguageModel, edit: ScaleHeads | ReplaceHeads, says: str
) -> None:
    with pytest.raises(ValueError, match=says), qwen.edited([edit]):
        pass


def test_a_model_whose_heads_are_not_proved_refuses_to_read_or_edit_them() -> None:
    model = ARCHITECTURES["BitNet, a norm over all heads"].build()
    with pytest.raises(ModelNotSupported, match=r"heads .* cannot be read"):
        model.capture_heads(PROMPTS)
    with pytest.raises(ModelNotSupported, match=r"heads .* cannot be read"):
        model.edited([ScaleHeads([(0, 0)], 0.0)])


def test_blocks_without_heads_are_named() -> None:
    hybrid = ARCHITECTURES["Granite hybrid"].build()
    with pytest.raises(ValueError, match="heads of blocks 0 were asked for; blocks 1, 3 have heads"):
        hybrid.capture_heads(PROMPTS, blocks=[0])
    with pytest.raises(ValueError, match="there are no provable heads"):
        hybrid.edited([ScaleHeads([(0, 0)], 0.0)]).__enter__()


def test_a_token_is_a_position_too(qwen: LanguageModel) -> None:
    rendered = qwen.render(PROMPTS[1])
    by_name = qwen.capture(PROMPTS, positions=("t_post_inst",)).tensor
    assert torch.equal(qwen.capture(PROMPTS, positions=(-1,)).tensor, by_name)
    at = qwen.capture([PROMPTS[1]], positions=(rendered.t_inst,)).at(rendered.t_inst)
    assert_same(at, qwen.capture([PROMPTS[1]]).at("t_inst"), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="token 999 does not exist in a prompt of"):
        qwen.capture(PROMPTS, positions=(999,))


def test_heads_of_unequal_blocks_are_asked_for_apart() -> None:
    model = tiny("Qwen3")
    first, *rest = model.proof.heads
    object.__setattr__(model.proof, "heads", (type(first)(first.projection, 2, 32), *rest))
    with pytest.raises(ValueError, match=r"differ in number or width \(block 0: 2 of 32"):
        model.capture_heads(PROMPTS)
    assert model.capture_heads(PROMPTS, blocks=[1, 2]).blocks == (1, 2)
