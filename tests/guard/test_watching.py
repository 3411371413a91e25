"""A guard inside generation says what `Guard.score` says, from the run that makes the reply."""

from dataclasses import astuple, replace
from datetime import date

import pytest
import torch

from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from tests.guard.toy import toy_prompts
from tests.lm.templates import DATED, byte_level
from tests.lm.tiny import tiny, tiny_module
from tests.lm.where import DEVICE, DTYPE

TEXTS = [prompt.text for prompt in toy_prompts(range(40, 48))]


def _alike(one, other) -> bool:
    return all(
        left == pytest.approx(right, abs=1e-4) if isinstance(left, float) else left == right
        for left, right in zip(astuple(one), astuple(other), strict=True)
    )


@pytest.fixture(scope="module")
def guard(guard: Guard) -> Guard:
    """One that flags half of `TEXTS`."""
    scores = sorted(verdict.score for verdict in guard.score(TEXTS))
    middle = len(scores) // 2
    calibration = replace(guard.manifest.calibration, threshold=sum(scores[middle - 1 : middle + 1]) / 2)
    manifest = guard.manifest.model_copy(
        update={"calibrations": guard.manifest.calibrations | {"guard": calibration}}
    )
    return replace(guard, manifest=manifest)


@pytest.fixture(scope="module")
def ending(model: LanguageModel) -> int:
    """A token that the tiny model never writes by itself here."""
    written = {token for reply in model.generate(TEXTS, max_new_tokens=6) for token in reply.ids}
    return next(token for token in range(400, 0, -1) if token not in written)


@pytest.fixture(autouse=True)
def _ends(model: LanguageModel, ending: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_ends", lambda: (ending,))


@pytest.mark.parametrize("use_cache", [True, False])
def test_flagged_prompts_get_no_token_and_the_others_their_own(guard, model, use_cache):
    scored = guard.score(TEXTS)
    plain = model.generate(TEXTS, max_new_tokens=6, use_cache=use_cache)
    replies = model.generate(TEXTS, max_new_tokens=6, guard=guard, use_cache=use_cache)
    assert sum(one.flagged for one in scored) == len(TEXTS) // 2
    for verdict, before, reply in zip(scored, plain, replies, strict=True):
        assert _alike(reply.verdict, verdict)
        if verdict.flagged:
            assert (reply.text, reply.ids, reply.finish) == ("", (), "flagged")
        else:
            assert (reply.text, reply.ids, reply.finish) == (before.text, before.ids, before.finish)


def test_flagged_prompts_are_answered_where_that_is_asked_for(guard, model):
    plain = model.generate(TEXTS, max_new_tokens=6)
    replies = model.generate(TEXTS, max_new_tokens=6, guard=guard, on_flagged="answer")
    assert [reply.ids for reply in replies] == [reply.ids for reply in plain]
    assert any(reply.verdict.flagged for reply in replies)


def test_the_same_prompt_many_times_is_read_in_the_beginning_that_all_share(guard, model):
    replies = model.generate([TEXTS[0]] * 3, max_new_tokens=2, guard=guard)
    assert all(_alike(reply.verdict, guard.score(TEXTS[:1])[0]) for reply in replies)


def test_no_forward_is_added_and_one_copy_a_slot(guard, model, monkeypatch):
    """Counted: calls of the decoder and of every block, and what is taken from the stream."""
    from latentguard.lm.capture import Reader

    passed: list[int] = []
    taken: list[int] = []
    take = Reader._take

    def counted(self, number, stream):
        taken.append(self.taps[number].depth)
        take(self, number, stream)

    monkeypatch.setattr(Reader, "_take", counted)
    handles = [
        layer.register_forward_hook(lambda *_, number=number: passed.append(number))
        for number, layer in enumerate(model.blocks.layers)
    ]
    try:
        runs = []
        for watcher in (None, guard):
            passed.clear()
            model.generate(TEXTS, max_new_tokens=4, guard=watcher, on_flagged="answer")
            runs.append(list(passed))
    finally:
        for handle in handles:
            handle.remove()
    assert runs[0] == runs[1]
    assert sorted(taken) == sorted(guard.reads[1]), "once a slot, and never after the prefill"


def test_a_guard_of_another_model_is_refused(guard):
    other = tiny("Qwen3", seed=4)
    with pytest.raises(ValueError, match="another model"):
        other.generate(TEXTS, max_new_tokens=2, guard=guard)
    with pytest.raises(ValueError, match="another model"), guard.watching(other, TEXTS):
        pass


SETTINGS = {
    "greedy": {},
    "beams": {"num_beams": 2},
    "samples": {"do_sample": True, "num_return_sequences": 3},
    "chunks": {"prefill_chunk_size": 9},
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_transformers_own_generate_is_watched(guard: Guard, model, ending, settings):
    scored = guard.score(TEXTS)
    rows = SETTINGS[settings].get("num_return_sequences", 1)
    plain = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "eos_token_id": ending}
    plain |= SETTINGS[settings]
    with guard.watching(model.module, TEXTS) as watch:
        inputs = watch.inputs
        torch.manual_seed(0)
        out = model.module.generate(**inputs, **plain, logits_processor=[watch.processor])
    assert all(_alike(one, other) for one, other in zip(watch.verdicts, scored, strict=True))
    width = inputs["input_ids"].shape[1]
    for row, written in enumerate(out[:, width:].tolist()):
        if scored[row // rows].flagged:
            assert written[0] == ending
            assert set(written[1:]) <= {0, ending}
        else:
            assert ending not in written
            assert len(written) == 5
    torch.manual_seed(0)
    unwatched = model.module.generate(**inputs, **plain)
    if "do_sample" not in SETTINGS[settings]:
        kept = [row for row, verdict in enumerate(scored) if not verdict.flagged]
        assert out[kept].equal(unwatched[kept])


@pytest.fixture(scope="module")
def dated() -> LanguageModel:
    """A tiny random model whose template writes the date, loaded on a day long ago."""
    module = tiny_module("Qwen3", seed=3, vocab_size=len(byte_level(DATED)))
    model = LanguageModel(module.to(DEVICE, DTYPE), byte_level(DATED), name="tiny, dated")
    return model.dated("2026-01-31")


@pytest.fixture(scope="module")
def dated_guard(dated: LanguageModel, fitting) -> Guard:
    harmful, harmless = fitting[::2], fitting[1::2]
    return Guard.fit(
        dated, harmful, harmless, method="belief", behaviour="skip", untrained_copies=0, permutations=0
    )


def test_a_prompt_is_judged_under_the_date_of_the_fit_on_every_later_day(dated, dated_guard, tmp_path):
    dated_guard.save(tmp_path)
    later = dated.dated("2027-06-30")
    guard = Guard.load(tmp_path, later)
    scored = guard.score(TEXTS)
    assert all(_alike(one, other) for one, other in zip(scored, dated_guard.score(TEXTS), strict=True))
    assert all(one.transfer == () for one in scored)
    replies = later.generate(TEXTS, max_new_tokens=2, guard=guard, on_flagged="answer")
    assert all(_alike(reply.verdict, one) for reply, one in zip(replies, scored, strict=True))
    under_the_fit = dated.generate(TEXTS, max_new_tokens=2)
    assert [one.ids for one in replies] == [one.ids for one in under_the_fit]


def test_transformers_own_run_is_told_today_and_its_verdicts_say_so(dated, dated_guard):
    with dated_guard.watching(dated, TEXTS[:2]) as watch:
        dated.module.generate(**watch.inputs, max_new_tokens=1, do_sample=False, pad_token_id=0)
    assert date.today().isoformat() in dated.tokenizer.decode(watch.inputs["input_ids"][0])
    assert [one.transfer for one in watch.verdicts] == [("date",)] * 2
