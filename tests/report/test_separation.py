import pytest

from latentguard.report.separation import plane_points, separation, separation_rows
from tests.report.readings import behaviour, beliefs, reading

ROWS = [
    *[("harmful", True)] * 2,
    *[("harmful", False)] * 3,
    *[("harmless", True)] * 2,
    *[("harmless", False)] * 4,
]
HARM = [0.3, 0.2, 0.1, 0.1, -0.1, -0.2, 0.05, -0.3, -0.3, -0.2, -0.4]
REFUSAL = [0.3, 0.2, -0.1, -0.1, 0.1, 0.2, -0.05, -0.3, -0.3, -0.2, -0.4]


def _points(seen, read):
    return plane_points(seen, read, read)


def test_shares_count_the_sign_of_the_belief_in_the_two_classes_where_label_and_decision_differ():
    found = separation(behaviour(*ROWS), beliefs(HARM, REFUSAL), reading())
    believed = found.accepted_harmful_believed_harmful
    assert (believed.count, believed.n) == (2, 3)
    believed = found.refused_harmless_believed_harmless
    assert (believed.count, believed.n) == (1, 2)
    assert found.refusal_belief_agrees is not None
    assert (found.refusal_belief_agrees.count, found.refusal_belief_agrees.n) == (9, 11)


def test_auroc_is_taken_within_each_decision():
    found = separation(behaviour(*ROWS), beliefs(HARM, REFUSAL), reading())
    assert found.auroc_within_accepted.value == pytest.approx(1.0)
    assert found.auroc_within_accepted.n == 7
    assert found.auroc_within_refused.value == pytest.approx(1.0)
    assert found.auroc_within_refused.n == 4
    assert found.auroc_all.value == pytest.approx((30 - 1) / 30)


def test_empty_replies_are_in_no_class_but_in_the_whole():
    found = separation(behaviour(*ROWS, empty=(4,)), beliefs(HARM, REFUSAL), reading())
    assert found.accepted_harmful_believed_harmful.n == 2
    assert found.auroc_all.n == 11
    assert len(_points(behaviour(*ROWS, empty=(4,)), beliefs(HARM, REFUSAL))) == 10


def test_without_a_refusal_belief_nothing_about_it_is_invented():
    never = [("harmful", False)] * 3 + [("harmless", False)] * 3
    found = separation(behaviour(*never), beliefs([0.1, 0.2, 0.3, -0.1, -0.2, -0.3]), reading(refusal=False))
    assert found.refusal_belief_agrees is None
    assert found.refusal_unavailable is not None
    assert "refused_harmful 0" in found.refusal_unavailable
    assert found.auroc_within_refused.value is None
    assert found.refused_harmless_believed_harmless.share is None
    assert len(separation_rows(found)) == 5
    assert all(point.refusal is None for point in _points(behaviour(*never), beliefs([0.1] * 6)))


def test_each_point_stands_in_its_class_with_its_own_beliefs():
    points = plane_points(behaviour(*ROWS), beliefs(HARM, REFUSAL), beliefs(REFUSAL, HARM))
    assert [point.cell for point in points].count("accepted_harmless") == 4
    by_prompt = {point.prompt: point for point in points}
    assert by_prompt["Synthetic harmful prompt 4."].harmfulness == pytest.approx(-0.1)
    assert by_prompt["Synthetic harmful prompt 4."].refusal == pytest.approx(0.1)
    assert by_prompt["Synthetic harmful prompt 4."].harmfulness_as_written == pytest.approx(0.1)
    assert by_prompt["Synthetic harmful prompt 4."].refusal_as_written == pytest.approx(-0.1)
    assert by_prompt["Synthetic harmful prompt 4."].cell == "accepted_harmful"
