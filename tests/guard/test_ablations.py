"""Sample sizes and slots, on the organism: what is planted at slot 3 is read from there on."""

import pytest

from latentguard.data import Split, split
from latentguard.errors import TooFewPrompts
from latentguard.guard.ablations import by_size, by_slot
from latentguard.organism import audit_data


@pytest.fixture(scope="module")
def data() -> Split:
    harmful, harmless = audit_data(seed=5)
    return split([*harmful[::2], *harmless[::2]], fractions=(0.5, 0.2, 0.3), seed=0)


def test_more_prompts_do_not_make_the_guard_worse_and_sizes_that_are_not_there_are_left_out(organism, data):
    rows = by_size(organism, data, sizes=(4, 30, 500), draws=2)
    assert [(row.prompts, row.draws) for row in rows] == [(4, 2), (30, 2)]
    few, many = (row.auroc for row in rows)
    assert many.value >= max(few.value - 0.02, 0.95)
    assert all(one.low <= one.value <= one.high for one in (few, many))


def test_harm_is_read_from_the_slot_where_it_is_planted_on(organism, data):
    rows = {row.slot: row.auroc.value for row in by_slot(organism, data)}
    assert list(rows) == [*range(9), None]
    assert rows[0] < 0.75, "slot 0 is the last token's embedding"
    assert min(rows[slot] for slot in range(3, 9)) > 0.95
    assert rows[None] > 0.95


def test_too_few_prompts_for_any_size_are_refused(organism, data):
    with pytest.raises(TooFewPrompts, match="is more than the"):
        by_size(organism, data, sizes=(5000,))
