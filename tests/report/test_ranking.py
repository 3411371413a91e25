import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from latentguard.data import Prompt
from latentguard.report.ranking import auroc


def _prompts(labels: list[bool], *, paired: bool = False) -> list[Prompt]:
    return [
        Prompt.of(
            f"{index}",
            label="harmful" if label else "harmless",
            base_id=f"pair {index // 2}" if paired else None,
        )
        for index, label in enumerate(labels)
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=8, max_size=30))
def test_auroc_equals_that_of_scikit_learn_ties_included(rows):
    labels = [label for label, _ in rows]
    scores = [float(score) for _, score in rows]
    found = auroc(_prompts(labels), scores)
    if min(sum(labels), len(labels) - sum(labels)) < 2:
        assert found.value is None
    else:
        assert found.value == pytest.approx(roc_auc_score(labels, scores))
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.high <= 1


def test_the_interval_narrows_with_prompts_and_depends_on_the_seed_alone():
    few = auroc(_prompts([True, False] * 10), [0.1 * (index % 7) for index in range(20)])
    many = auroc(_prompts([True, False] * 200), [0.1 * (index % 7) for index in range(400)])
    assert few.high - few.low > 2 * (many.high - many.low)
    again = auroc(_prompts([True, False] * 10), [0.1 * (index % 7) for index in range(20)])
    assert again == few


def test_pairs_are_drawn_together():
    """Each harmful prompt beats its own twin and all before: whole pairs keep that, single draws do not."""
    labels = [True, False] * 30
    scores = [float(index // 2) + (0.5 if index % 2 == 0 else 0.0) for index in range(60)]
    alone = auroc(_prompts(labels), scores)
    paired = auroc(_prompts(labels, paired=True), scores)
    assert alone.value == paired.value
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
