"""Edited runs that go on from where their edits begin are the whole edited runs, and run no more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from latentguard.errors import EditMatchedNothing
from latentguard.lm import AddDirection, Edit, LanguageModel, ProjectOut, ReplaceHeads, ScaleHeads
from latentguard.lm.blocks import stream_of
from tests.lm.architectures import ARCHITECTURES
from tests.lm.tiny import tiny
from tests.lm.where import DTYPE, assert_same

PROMPT = "Tell me about the river that runs behind the old mill."
CAN = [name for name, wanted in ARCHITECTURES.items() if "resume" not in wanted.refused]


def _direction(model: LanguageModel, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(seed))


def _whole(model: LanguageModel, alternatives: list[list[Edit]]) -> torch.Tensor:
    found = []
    for edits in alternatives:
        with model.edited(edits):
            found.append(model.next_token_logits([PROMPT])[0])
    return torch.stack(found)


def _every_kind(model: LanguageModel) -> list[list[Edit]]:
    """Not in the order of their blocks; some with several edits, one with none."""
    last = model.n_blocks
    found: list[list[Edit]] = [
        [AddDirection(3, _direction(model), 2.0)],
        [],
        [AddDirection(0, _direction(model), 0.5), ProjectOut(2, _direction(model, 1))],
        [ProjectOut(last, _direction(model))],
        [AddDirection(1, _direction(model), scope="all")],
    ]
    if model.proof.heads is not None:
        block, site = next((b, s) for b, s in enumerate(model.proof.heads) if s is not None)
        values = torch.randn((1, 2, 1, site.width), generator=torch.Generator().manual_seed(2))
        found += [
            [ScaleHeads([(block, 0), (block, 2)], 0.0, "token")],
            [ReplaceHeads([(block, 3)], values, ("t_inst", "t_post_inst"))],
            [ReplaceHeads([(block, 1)], values, (-1, -2)), AddDirection(last, _direction(model, 3))],
        ]
    return found


@pytest.mark.parametrize("name", CAN)
def test_resumed_runs_equal_whole_ones(name: str) -> None:
    model = ARCHITECTURES[name].build()
    alternatives = _every_kind(model)
    whole = _whole(model, alternatives)
    assert_same(model.edited_logits(PROMPT, alternatives), whole, rtol=1e-3, atol=1e-3)
    assert_same(model.edited_logits(PROMPT, alternatives, at_once=2), whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["Llama", "Gemma-2", "MPT", "Qwen3.5", "DeepSeek-V3", "BLOOM"])
def test_logits_are_read_at_any_token_under_any_edit(name: str) -> None:
    """Against whole runs, whose state at slot L is put through the head; BLOOM cannot resume and says so."""
    model = ARCHITECTURES[name].build()
    positions = (-1, 4, "t_inst", 1)
    alternatives = _every_kind(model)
    whole = []
    for edits in alternatives:
        with model.edited(edits):
            states = model.capture([PROMPT], positions=positions, slots=[model.n_blocks], dtype=None).tensor
        whole.append(model.blocks.logits(states[0, :, 0].to(model.device)).cpu())
    expectation = pytest.warns(UserWarning, match="cannot resume") if name not in CAN else nullcontext()
    with expectation:
        found = model.edited_logits_at(PROMPT, alternatives, positions=positions)
    assert_same(found, torch.stack(whole), rtol=1e-3, atol=1e-3)


def test_tokens_before_the_first_changed_one_run_where_they_are_read(qwen: LanguageModel) -> None:
    site = qwen.proof.heads[2]
    edit = ReplaceHeads([(2, 0)], torch.zeros((1, 1, 1, site.width)), (-3,))
    found = qwen.edited_logits_at(PROMPT, [[edit], []], positions=(-6, -1))
    plain = qwen.edited_logits_at(PROMPT, [[]], positions=(-6,))
    assert_same(found[:, :1], plain.expand(2, -1, -1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found[0, 1], found[1, 1])


@contextmanager
def _rows(model: LanguageModel) -> Iterator[list[tuple[int, int, int]]]:
    """(block, rows, tokens) of every block that ran."""
    ran: list[tuple[int, int, int]] = []

    def note(number: int) -> object:
        def hook(_: object, __: object, output: object) -> None:
            ran.append((number, *stream_of(output).shape[:2]))

        return hook

    handles = [layer.register_forward_hook(note(n)) for n, layer in enumerate(model.blocks.layers)]
    try:
        yield ran
    finally:
        for handle in handles:
            handle.remove()


def test_a_sweep_over_blocks_runs_each_from_its_own_block(qwen: LanguageModel) -> None:
    """L + 1 slots, one batch: the plain run, and from slot l on L - l blocks a row."""
    sweep = [[AddDirection(slot, _direction(qwen))] for slot in range(qwen.n_slots)]
    with _rows(qwen) as ran:
        qwen.edited_logits(PROMPT, sweep)
    n = qwen.n_blocks
    assert len(ran) == 2 * n
    assert sum(rows for _, rows, _ in ran) == n + n * (n + 1) // 2


def test_no_edit_costs_nothing_beyond_the_plain_run(qwen: LanguageModel) -> None:
    with _rows(qwen) as ran:
        found = qwen.edited_logits(PROMPT, [[], []])
    assert len(ran) == qwen.n_blocks
    assert_same(found[0], qwen.next_token_logits([PROMPT])[0], rtol=1e-4, atol=1e-4)
    assert torch.equal(found[0], found[1])


def test_heads_replaced_at_the_end_run_the_tokens_of_the_end_alone(qwen: LanguageModel) -> None:
    site = qwen.proof.heads[2]
    values = torch.zeros((1, 1, 1, site.width))
    with _rows(qwen) as ran:
        qwen.edited_logits(PROMPT, [[ReplaceHeads([(2, head)], values, (-3,))] for head in range(site.heads)])
    length = len(qwen.render(PROMPT).ids)
    n = qwen.n_blocks
    prefix, plain, resumed = ran[:n], ran[n : 2 * n], ran[2 * n :]
    assert {tokens for _, _, tokens in prefix} == {length - 3}
    assert {tokens for _, _, tokens in plain + resumed} == {3}
    assert [(block, rows) for block, rows, _ in resumed] == [(2, 4), (3, 4)]


def test_batches_change_nothing_and_order_is_kept(qwen: LanguageModel) -> None:
    sweep = [[AddDirection(slot, _direction(qwen, slot))] for slot in (4, 0, 2, 1, 3)]
    together = qwen.edited_logits(PROMPT, sweep)
    for at_once in (1, 2, 3):
        assert_same(qwen.edited_logits(PROMPT, sweep, at_once=at_once), together, rtol=1e-4, atol=1e-4)
    alone = torch.cat([qwen.edited_logits(PROMPT, [edits]) for edits in sweep])
    assert_same(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES.keys() - set(CAN)))
def test_a_model_that_cannot_resume_runs_whole_and_says_so(name: str) -> None:
    model = ARCHITECTURES[name].build()
    alternatives = _every_kind(model)
    whole = _whole(model, alternatives)
    with pytest.warns(UserWarning, match="every edited run is a whole one: .* cannot resume"):
        found = model.edited_logits(PROMPT, alternatives)
    assert torch.equal(found, whole)


def test_what_blocks_hand_on_beside_the_stream_is_never_another_batchs() -> None:
    """Gemma-4's last blocks take keys and values of earlier ones: a batch that began after those would read
    what the batch before it left there."""
    model = ARCHITECTURES["Gemma-4, keys and values shared by blocks"].build()
    alternatives: list[list[Edit]] = [
        [AddDirection(0, _direction(model))],
        [AddDirection(1, _direction(model))],
        [AddDirection(7, _direction(model))],
        [AddDirection(7, _direction(model, 1))],
    ]
    found = model.edited_logits(PROMPT, alternatives, at_once=2)
    assert_same(found, _whole(model, alternatives), rtol=1e-3, atol=1e-3)


def test_a_resume_that_is_not_the_whole_run_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a model whose later blocks take something of earlier ones around the stream."""
    from latentguard.lm import resume

    changed, off = resume._changed, 1.01 if DTYPE is torch.float32 else 1.5
    monkeypatch.setattr(
        resume, "_changed", lambda passing, *rest, **where: changed(passing, *rest, **where) * off
    )
    model = tiny("Llama")
    assert not model.proof.supports()["resume"]
    assert "is the whole edited run: error" in model.proof.refusals["resume"]


def test_an_edit_that_matched_no_token_raises(qwen: LanguageModel) -> None:
    with pytest.raises(EditMatchedNothing, match="slot 2 with scope 'generated'"):
        qwen.edited_logits(PROMPT, [[], [AddDirection(2, _direction(qwen), scope="generated")]])


def test_no_hook_is_left_and_other_edits_are_refused(qwen: LanguageModel) -> None:
    def hooks() -> int:
        return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in qwen.module.modules())

    before = hooks()
    with pytest.raises(EditMatchedNothing):
        qwen.edited_logits(PROMPT, [[AddDirection(0, _direction(qwen), scope="generated")]])
    assert hooks() == before
    with qwen.edited([AddDirection(0, _direction(qwen))]), pytest.raises(ValueError, match="in force"):
        qwen.edited_logits(PROMPT, [[]])
    for arguments in ({"alternatives": []}, {"alternatives": [[]], "at_once": 0}):
        with pytest.raises(ValueError, match="at least one"):
            qwen.edited_logits(PROMPT, **arguments)


def test_another_threads_run_of_the_same_model_is_left_alone(qwen: LanguageModel) -> None:
    """While a block of the edited runs is at work, another thread reads the model, unedited."""
    alternatives: list[list[Edit]] = [[ScaleHeads([(2, 0)], 0.0)], [AddDirection(1, _direction(qwen))]]
    alone, plain = qwen.edited_logits(PROMPT, alternatives), qwen.capture([PROMPT]).tensor
    owner, read = threading.get_ident(), []

    def meanwhile(*_: object) -> None:
        if threading.get_ident() == owner:
            other = threading.Thread(target=lambda: read.append(qwen.capture([PROMPT]).tensor))
            other.start()
            other.join()

    # inside the block, where the hook at its heads is in force
    handle = qwen.blocks.layers[2].mlp.register_forward_pre_hook(meanwhile)
    try:
        found = qwen.edited_logits(PROMPT, alternatives)
    finally:
        handle.remove()
    assert torch.equal(found, alone)
    assert len(read) == 2, "once in the plain run, once in the edited ones"
    assert all(torch.equal(one, plain) for one in read)
