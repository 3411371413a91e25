import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from latentguard.report.roc_curve import roc_curve


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_the_area_under_the_points_is_the_auroc(rows):
    labels = [label for label, _ in rows]
    scores = [float(score) for _, score in rows]
    if 0 < sum(labels) < len(labels):
        curve = roc_curve([scores], labels)
        area = auc(curve.false_positive_rate, curve.true_positive_rate)
        assert area == pytest.approx(roc_auc_score(labels, scores))


def test_a_curve_begins_at_no_flag_and_ends_at_all_flags_and_never_falls():
    for copies in ([[3.0, 2.0, 1.0, 0.0]], [[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]]):
        curve = roc_curve(copies, [True, False, True, False])
        assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
        assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
        assert (np.diff(curve.true_positive_rate) >= 0).all()


def test_copies_are_averaged_at_equal_false_positive_rates():
    right, wrong = [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]
    curve = roc_curve([right, wrong], [True, True, False, False])
    at = dict(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True))
    assert at[0.5] == pytest.approx(0.5)
    assert at[1.0] == pytest.approx(1.0)
