"""Sample sizes and slots, on the organism: what is planted at slot 3 is read from there on."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from latentguard.data import Prompt, Split, split
from latentguard.errors import TooFewPrompts
from latentguard.guard import Guard
from latentguard.guard.ablations import ablate, by_size, by_slot, plan
from latentguard.guard.ablations.by_size import drawn
from latentguard.lm import LanguageModel
from latentguard.organism import audit_data


@contextmanager
def runs_of(model: LanguageModel) -> Generator[list[None]]:
    """Grows by one whenever block 0 runs."""
    ran: list[None] = []
    hook = model.blocks.layers[0].register_forward_pre_hook(lambda *_: ran.append(None))
    try:
        yield ran
    finally:
        hook.remove()


@pytest.fixture(scope="module")
def data() -> Split:
    harmful, harmless = audit_data(seed=5)
    return split([*harmful[::2], *harmless[::2]], fractions=(0.5, 0.2, 0.3), seed=0)


def test_more_prompts_do_not_make_the_guard_worse_and_sizes_that_are_not_there_are_left_out(organism, data):
    rows = by_size(organism, data, sizes=(8, 30, 500), draws=2)
    assert [(row.prompts, row.draws) for row in rows] == [(8, 2), (30, 2)]
    few, many = (row.auroc for row in rows)
    assert many.value >= max(few.value - 0.02, 0.95)
    assert all(one.low <= one.value <= one.high for one in (few, many))
    assert all(row.worst <= row.auroc.value for row in rows)


def test_harm_is_read_from_the_slot_where_it_is_planted_on(organism, data):
    rows = {row.slot: row.auroc.value for row in by_slot(organism, data)}
    assert list(rows) == [*range(9), None]
    assert rows[0] < 0.75, "slot 0 is the last token's embedding"
    assert min(rows[slot] for slot in range(3, 9)) > 0.95
    assert rows[None] > 0.95


def test_too_few_prompts_for_any_size_are_refused(organism, data):
    with pytest.raises(TooFewPrompts, match="is more than the"):
        by_size(organism, data, sizes=(5000,))


@pytest.mark.parametrize(
    ("change", "sizes", "error", "said"),
    [
        (lambda given: given, (6, 30), ValueError, "7 prompts a class"),
        (lambda given: replace(given, validation=[]), (30,), TooFewPrompts, "validation prompts hold 0"),
        (
            lambda given: replace(given, test=[one for one in given.test if one.label == "harmful"]),
            (30,),
            TooFewPrompts,
            "lack a class",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(organism, data, change, sizes, error, said):
    with runs_of(organism) as runs, pytest.raises(error, match=said):
        ablate(organism, change(data), sizes=sizes)
    assert not runs


def test_a_killed_ablation_goes_on_and_neither_runs_nor_fits_anything_twice(
    organism, data, tmp_path, monkeypatch
):
    fitted: list[int] = []
    fit = Guard.fit

    def counted(
        model: LanguageModel, harmful: list[Prompt], harmless: list[Prompt], **options: object
    ) -> Guard:
        fitted.append(len(harmful))
        return fit(model, harmful, harmless, **options)

    monkeypatch.setattr(Guard, "fit", counted)
    asked = {"sizes": (10, 30), "draws": 2, "folder": tmp_path}

    class Killed(Exception):
        """As a kill would, while guards are fitted."""

    def kill(stage: str, done: int, _: int) -> None:
        if stage == "fitting guards" and done == 1:
            raise Killed

    with pytest.raises(Killed):
        ablate(organism, data, **asked, progress=kill)
    assert fitted == [10]
    with runs_of(organism) as runs:
        again = ablate(organism, data, **asked)
    assert not runs
    assert fitted == [10, 10, 30, 30]
    assert again.sizes == tuple(by_size(organism, data, sizes=(10, 30), draws=2))
    assert plan(organism, data).tokens > 0


def test_matched_pairs_are_drawn_whole_and_as_many_of_each_class(data):
    pool = [*data.train, *data.validation]
    few = drawn(pool, 20, seed=1)
    assert [sum(one.label == label for one in few) for label in ("harmful", "harmless")] == [20, 20]
    assert len(set(few)) == 40
    assert few == drawn(pool, 20, seed=1) != drawn(pool, 20, seed=2)
    pairs = [
        Prompt.of(f"{verb} it {number}", label=label, base_id=f"b{number}")
        for number in range(30)
        for verb, label in (("smash", "harmful"), ("paint", "harmless"))
    ]
    whole = drawn(pairs, 10, seed=0)
    wrapped = [
        Prompt.of(f"please {word} {one.text}", label=one.label, base_id=one.base_id)
        for one in pairs[:20]
        for word in ("kindly", "quickly", "surely")
    ]
    spread = drawn(wrapped, 10, seed=0)
    assert len({one.base_id for one in spread if one.label == "harmful"}) == 10, "of each request one first"
    assert len({one.text for one in drawn(wrapped, 30, seed=0)}) == 60
    assert {one.base_id for one in whole if one.label == "harmful"} == {
        one.base_id for one in whole if one.label == "harmless"
    }
