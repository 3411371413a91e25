"""An edit changes exactly the tokens in its scope, in every row of a batch, or says that it did not."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from latentguard.errors import EditMatchedNothing, LatentGuardError, UnscopedRun
from latentguard.lm import AddDirection, LanguageModel, ProjectOut
from latentguard.lm.batch_layout import current_layout
from latentguard.lm.edits.scope import Scoped
from tests.lm.tiny import tiny
from tests.lm.where import DTYPE, assert_same, in_float32

SHORT = "Sing."
LONG = "Tell me about the river that runs behind the old mill.\nIs it deep?"
CONTEXT = "Tell me about the river that runs behind the old mill."


def _direction(model: LanguageModel, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(seed))


def _stream(model: LanguageModel, prompts: list[object], slot: int, index: int) -> torch.Tensor:
    """States at one token index, read one index at a time."""
    rendered = [p if hasattr(p, "ids") else model.render(p) for p in prompts]
    return torch.stack(
        [model.capture([replace(p, t_inst=index)], slots=[slot]).tensor[0, 0, 0] for p in rendered]
    )


def test_scale_zero_changes_nothing_bit_for_bit(model: LanguageModel) -> None:
    prompts = [
        model.render(text, context="Tell me") for text in (LONG, f"{LONG} Why is the sea salt?", CONTEXT)
    ]
    edits = [
        AddDirection(slot, _direction(model), 0.0, scope)
        for slot in range(model.n_slots)
        for scope in ("prompt", "context", "all")
    ]

    def everything() -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, ...]]]:
        states = model.capture(prompts, positions=("t_inst", "t_post_inst")).tensor
        replies = [reply.ids for reply in model.generate(prompts, max_new_tokens=6)]
        return states.view(torch.int32), model.next_token_logits(prompts).view(torch.int32), replies

    plain = everything()
    with model.edited(edits):
        edited = everything()
    assert torch.equal(plain[0], edited[0])
    assert torch.equal(plain[1], edited[1])
    assert plain[2] == edited[2]


def test_adding_minus_zero_keeps_the_sign_of_zero() -> None:
    stream = torch.tensor([[[-0.0, 0.0, 1.0]]])
    edit = AddDirection(0, torch.tensor([1.0, 0.0, 2.0]), 0.0)
    for tokens in (1, 0):
        found = Scoped((range(tokens),), 1, torch.device("cpu"))
        changed = edit.applied(stream, found, edit.vector(stream))
        assert torch.equal(changed.view(torch.int32), stream.view(torch.int32))


class _Counting(TorchDispatchMode):
    """Tensor operations, as torch carries them out."""

    done = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.done += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("scope", ["all", "generated", "prompt"])
def test_a_step_costs_one_operation_an_edited_block(qwen: LanguageModel, scope: Any) -> None:
    """A steered step adds one operation at each edited block, and none where no token is in scope."""

    def operations(blocks: int, steps: int) -> int:
        edits = [AddDirection(slot, _direction(qwen), 0.0, scope) for slot in range(blocks)]
        with qwen.edited(edits) if edits else nullcontext(), _Counting() as counting:
            qwen.generate(["Sing a song.", "Why not?"], max_new_tokens=steps)
        return counting.done

    for_eight_steps = {blocks: operations(blocks, 10) - operations(blocks, 2) for blocks in (0, 1, 4)}
    in_scope = scope != "prompt"
    assert for_eight_steps[4] - for_eight_steps[1] == 8 * 3 * in_scope
    assert for_eight_steps[1] - for_eight_steps[0] == 8 * 1 * in_scope


IN_SCOPE = {
    "prompt": lambda index, prompt, context: index < prompt,
    "context": lambda index, prompt, context: index < context,
    "generated": lambda index, prompt, context: index >= prompt,
    "all": lambda index, prompt, context: True,
}


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("scope", sorted(IN_SCOPE))
@pytest.mark.parametrize("slot", [0, 2, 4])
def test_an_edit_touches_exactly_the_tokens_in_scope(
    model: LanguageModel, slot: int, scope: str, use_cache: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every token of every row of a padded batch, in the prompt's pass and two steps of the reply."""
    prompts = [
        model.render("Sing.\nLoud?", context="Sing."),
        model.render(LONG, context=CONTEXT),
        model.render("Go on.\nWhy", context="Go"),
    ]
    calls: list[tuple[tuple[range, ...], torch.Tensor]] = []
    applied = AddDirection.applied

    def watched(edit: AddDirection, stream: torch.Tensor, *found: Any) -> torch.Tensor:
        out = applied(edit, stream, *found)
        layout = current_layout()
        assert layout is not None
        calls.append((layout.spans, (out != stream).all(dim=-1)))
        assert torch.equal((out != stream).any(dim=-1), calls[-1][1])
        return out

    monkeypatch.setattr(AddDirection, "applied", watched)
    with model.edited([AddDirection(slot, torch.ones(model.hidden_size), 8.0, scope)]):
        model.generate(prompts, max_new_tokens=3, use_cache=use_cache)
    rows = sorted(range(len(prompts)), key=lambda row: len(prompts[row].ids))
    contexts = [prompts[row].context_end for row in rows]
    assert None not in contexts
    changed: set[tuple[int, int]] = set()
    for spans, touched in calls:
        for number, row in enumerate(rows):
            for token in range(touched.shape[1]):
                at = spans[number][token] if token < len(spans[number]) else -1
                wanted = at >= 0 and IN_SCOPE[scope](at, len(prompts[row].ids), contexts[number])
                assert bool(touched[number, token]) == wanted
                if wanted:
                    changed.add((row, at))
    assert changed == {
        (row, at)
        for number, row in enumerate(rows)
        for at in range(len(prompts[row].ids) + 2)
        if IN_SCOPE[scope](at, len(prompts[row].ids), contexts[number])
    }


@pytest.mark.parametrize("slot", [0, 2, 4])
def test_an_added_direction_is_what_is_read_in_scope_and_nowhere_else(
    model: LanguageModel, slot: int
) -> None:
    direction = _direction(model)
    long = model.render(LONG, context=CONTEXT)
    assert long.context_end is not None
    for index in (0, long.context_end - 1, long.context_end, len(long.ids) - 1):
        plain = _stream(model, [long], slot, index)
        with model.edited([AddDirection(slot, direction, 2.0, "context")]):
            edited = _stream(model, [long], slot, index)
        expected = plain + 2.0 * direction if index < long.context_end else plain
        assert_same(edited, expected, rtol=1e-4, atol=1e-4)


def test_every_row_of_a_padded_batch_is_edited_in_its_own_scope(model: LanguageModel) -> None:
    prompts = [
        model.render("Sing.\nLoud?", context="Sing."),
        model.render(LONG, context=CONTEXT),
        model.render("Go on.\nWhy", context="Go"),
    ]
    edits = [
        AddDirection(1, _direction(model), 3.0, "context"),
        ProjectOut(3, _direction(model, 1), "prompt"),
    ]
    with model.edited(edits):
        together = model.capture(prompts, positions=("t_inst", "t_post_inst")).tensor
        alone = [model.capture([p], positions=("t_inst", "t_post_inst")).tensor[0] for p in prompts]
    assert_same(together, torch.stack(alone), rtol=1e-4, atol=1e-4)


def test_projecting_out_leaves_no_component(model: LanguageModel) -> None:
    direction = _direction(model)
    with model.edited([ProjectOut(2, direction)]):
        states = model.capture([SHORT, LONG], slots=[2]).tensor
    along = states @ (direction / direction.norm())
    assert float(along.abs().max()) < max(1e-4, torch.finfo(DTYPE).eps) * float(states.norm(dim=-1).max())


@in_float32
def test_generation_under_an_edit_is_the_same_with_and_without_cache(model: LanguageModel) -> None:
    prompts = [model.render("Sing.\nLoud?", context="Sing."), model.render(LONG, context=CONTEXT)]
    for scope in ("prompt", "context", "generated", "all"):
        with model.edited([AddDirection(2, _direction(model), 4.0, scope)]):
            cached = model.generate(prompts, max_new_tokens=8)
            plain = model.generate(prompts, max_new_tokens=8, use_cache=False)
            alone = [model.generate([prompt], max_new_tokens=8)[0] for prompt in prompts]
        assert [reply.ids for reply in cached] == [reply.ids for reply in plain] == [r.ids for r in alone]


def test_the_generated_scope_leaves_the_first_token_and_changes_later_ones(model: LanguageModel) -> None:
    plain = model.generate([LONG], max_new_tokens=12)[0].ids
    with model.edited([AddDirection(model.n_blocks, _direction(model), 500.0, "generated")]):
        edited = model.generate([LONG], max_new_tokens=12)[0].ids
    assert edited[0] == plain[0]
    assert edited[1:] != plain[1:]


def test_an_edit_that_matched_no_token_raises(qwen: LanguageModel) -> None:
    with qwen.edited([AddDirection(1, _direction(qwen), 1.0, "generated")]):
        with pytest.raises(EditMatchedNothing, match="generated"):
            qwen.capture([LONG])
        with pytest.raises(EditMatchedNothing, match="generated"):
            qwen.generate([LONG], max_new_tokens=1)
    with qwen.edited([AddDirection(3, _direction(qwen))]), pytest.raises(EditMatchedNothing, match="slot 3"):
        qwen.capture([LONG], slots=[2])


def test_a_context_edit_needs_a_context(qwen: LanguageModel) -> None:
    with (
        qwen.edited([AddDirection(1, _direction(qwen), 1.0, "context")]),
        pytest.raises(LatentGuardError, match="context="),
    ):
        qwen.capture([LONG])


def test_calling_the_model_around_the_package_raises(qwen: LanguageModel) -> None:
    ids = torch.tensor([qwen.render(LONG).ids], device=qwen.device)
    with qwen.edited([AddDirection(1, _direction(qwen))]), pytest.raises(UnscopedRun, match="capture"):
        qwen.module(input_ids=ids)
    qwen.module(input_ids=ids)


def test_edits_are_gone_after_their_block_whatever_happens(qwen: LanguageModel) -> None:
    plain = qwen.capture([LONG]).tensor
    hooks = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in qwen.module.modules())
    with pytest.raises(RuntimeError, match="as if"), qwen.edited([AddDirection(0, _direction(qwen), 9.0)]):
        raise RuntimeError("as if")
    assert torch.equal(qwen.capture([LONG]).tensor, plain)
    assert hooks == sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in qwen.module.modules())


def test_edits_never_change_a_weight() -> None:
    model = tiny("Llama")
    before = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    with model.edited(
        [AddDirection(1, _direction(model), 5.0, "all"), ProjectOut(4, _direction(model), "all")]
    ):
        model.generate([LONG], max_new_tokens=3)
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.module.named_parameters())


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (AddDirection(9, torch.ones(32)), "slots 0..4"),
        (AddDirection(0, torch.ones(7)), "shape"),
        (AddDirection(0, torch.full((32,), float("nan"))), "NaN"),
        (ProjectOut(0, torch.zeros(32)), "zero"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(
    qwen: LanguageModel, edit: AddDirection | ProjectOut, says: str
) -> None:
    with pytest.raises(ValueError, match=says), qwen.edited([edit]):
        pass
