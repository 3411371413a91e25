"""Planning is pure: whatever is shared, every prompt's tokens come back whole and in order."""

from hypothesis import given
from hypothesis import strategies as st

from latentguard.lm.batches import Family, Plan, batches, cost, next_batch, padded_tokens, plan

_SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=14).map(tuple), min_size=1, max_size=24
)


def _rebuilt(planned: Plan) -> dict[int, tuple[int, ...]]:
    return {
        row: planned.root + family.stem + tail
        for family in planned.families
        for row, tail in zip(family.rows, family.tails, strict=True)
    }


@given(_SEQUENCES)
def test_a_plan_holds_every_prompt_once_and_whole(sequences: list[tuple[int, ...]]) -> None:
    planned = plan(sequences)
    rows = [row for family in planned.families for row in family.rows]
    assert sorted(rows) == list(range(len(sequences)))
    assert _rebuilt(planned) == dict(enumerate(sequences))


@given(_SEQUENCES)
def test_every_tail_keeps_a_token(sequences: list[tuple[int, ...]]) -> None:
    assert all(tail for family in plan(sequences).families for tail in family.tails)


@given(_SEQUENCES)
def test_sharing_never_runs_more_tokens(sequences: list[tuple[int, ...]]) -> None:
    assert plan(sequences).tokens <= plan(sequences, share=False).tokens == sum(map(len, sequences))


@given(_SEQUENCES, st.integers(1, 60))
def test_batches_keep_to_the_budget_or_hold_one_family(sequences: list[tuple[int, ...]], budget: int) -> None:
    planned = plan(sequences)
    cut = batches(planned, budget)
    assert tuple(family for batch in cut for family in batch) == planned.families
    assert all(len(batch) == 1 or padded_tokens(batch) <= budget for batch in cut)


def test_endings_of_one_prompt_cost_one_token_each() -> None:
    opening, bodies = tuple(range(100, 120)), [tuple(range(n, n + 15)) for n in (200, 300, 400)]
    sequences = [opening + body + (ending,) for body in bodies for ending in (1, 2, 3, 4)]
    assert plan(sequences).tokens == 20 + 3 * 15 + 12


def test_prompts_that_share_little_stay_apart() -> None:
    first = (1, 2, 3, *range(10, 30))
    other = (1, 2, 3, *range(40, 60))
    planned = plan([first, other, (9, 9)])
    assert [family.stem for family in planned.families] == [(), (), ()]


@given(_SEQUENCES, st.integers(20, 200), st.integers(0, 40))
def test_a_plan_costs_no_more_than_without_families(
    sequences: list[tuple[int, ...]], budget: int, a_run: int
) -> None:
    found = plan(sequences, budget=budget, a_run=a_run)
    apart = plan([ids[len(found.root) :] for ids in sequences], share=False)
    prices = [
        sum(cost(batch, a_run) for batch in batches(one, budget, a_run=a_run)) for one in (found, apart)
    ]
    assert prices[0] <= prices[1]


def _alone(*lengths: int) -> list[Family]:
    return [Family((row,), (), (tuple(range(length)),)) for row, length in enumerate(lengths)]


def test_a_batch_ends_where_padding_would_cost_more_than_another_run() -> None:
    families = _alone(10, 10, 10, 60)
    assert len(next_batch(families, 1000, a_run=20)) == 3
    assert len(next_batch(families, 1000, a_run=1000)) == 4
    assert len(next_batch(families, 25, a_run=1000)) == 2


def test_stems_are_shared_where_another_run_costs_less_than_they_save() -> None:
    """Two prompts share five tokens; a run more for them is cheap or dear."""
    pair = [(1, 2, 3, 4, 5, *range(10, 20)), (1, 2, 3, 4, 5, *range(20, 30))]
    others = [tuple(range(100 * row, 100 * row + 15)) for row in range(2, 12)]
    assert any(family.stem for family in plan([*pair, *others], a_run=0).families)
    assert all(not family.stem for family in plan([*pair, *others], a_run=32).families)
