import pytest
import torch

from latentguard.report.behaviour_record import behaviour_record
from latentguard.report.direction_cosines import direction_cosines
from latentguard.report.slot_panels import slot_panels
from tests.report.readings import SLOTS, behaviour, beliefs, reading

ROWS = [("harmful", True)] * 3 + [("harmful", False)] + [("harmless", False)] * 2


def test_a_band_is_the_mean_of_its_class_with_an_interval_from_two_prompts_on():
    scores = beliefs([0.1, 0.2, 0.3, 0.5, -0.1, -0.3], [0.0] * 6)
    panel, _ = slot_panels(reading(), scores, behaviour(*ROWS).cells())
    bands = {band.cell: band for band in panel.bands}
    assert panel.slots == tuple(range(SLOTS))
    assert bands["refused_harmful"].mean[1] == pytest.approx(0.2)
    assert bands["refused_harmful"].low[1] < 0.2 < bands["refused_harmful"].high[1]
    assert bands["accepted_harmful"].mean[1] == pytest.approx(0.5)
    assert bands["accepted_harmful"].low == (None,) * SLOTS
    assert bands["refused_harmless"].n == 0
    assert bands["refused_harmless"].mean == (None,) * SLOTS
    assert bands["accepted_harmless"].mean[2] == pytest.approx(-0.2)


def test_without_a_refusal_belief_its_panel_gives_the_reason_and_the_counts():
    never = [("harmful", False)] * 3 + [("harmless", False)] * 3
    first, second = slot_panels(reading(refusal=False), beliefs([0.1] * 6), behaviour(*never).cells())
    assert "by label" in first.clusters
    assert second.bands == second.slots == ()
    assert second.reason is not None
    assert "refused_harmful 0" in second.reason
    assert (second.n_positive, second.n_negative) == (0, 14)


@pytest.mark.parametrize(("axis", "expected"), [(0, 1.0), (1, 0.0)])
def test_the_mean_cosine_leaves_out_slot_0_where_the_direction_is_zero(axis, expected):
    curve = direction_cosines(reading(axis=axis), torch.zeros(3, SLOTS))
    assert curve.values[0] is None
    assert curve.mean_without_slot_0.value == pytest.approx(expected)
    assert curve.values[1:] == pytest.approx((expected,) * (SLOTS - 1))


def test_the_interval_of_a_cosine_lies_around_it_and_counts_the_fitting_prompts():
    # every draw on one side of the cosine 0, as the draws of a bootstrap may be
    draws = 0.3 + 0.1 * torch.randn(500, SLOTS, generator=torch.Generator().manual_seed(0))
    curve = direction_cosines(reading(axis=1), draws)
    assert (curve.low[0], curve.high[0]) == (None, None)
    assert curve.low[1:] == pytest.approx((-0.196,) * (SLOTS - 1), abs=0.02)
    assert curve.high[1:] == pytest.approx((0.196,) * (SLOTS - 1), abs=0.02)
    mean = curve.mean_without_slot_0
    assert mean.n == 12 + 14
    assert (mean.low, mean.high) == pytest.approx((-0.113, 0.113), abs=0.02)


def test_the_interval_of_a_cosine_stays_a_cosine():
    curve = direction_cosines(reading(axis=0), torch.rand(500, SLOTS))
    assert curve.high[1:] == (1.0,) * (SLOTS - 1)
    assert curve.mean_without_slot_0.high == 1.0


def test_no_refusal_direction_no_cosine():
    curve = direction_cosines(reading(refusal=False), None)
    assert curve.values == ()
    assert curve.reason is not None


def test_behaviour_is_counted_over_all_answers_and_the_test_part_apart():
    fitting = behaviour(*ROWS, source="mine")
    measured = behaviour(
        ("harmful", False), ("harmless", True), ("harmless", False), empty=(2,), source="mine"
    )
    record = behaviour_record(fitting, measured, reading())
    assert record.judged == 9
    assert record.empty == 1
    assert {cell: found.count for cell, found in record.cells.items()} == {
        "refused_harmful": 3,
        "accepted_harmful": 2,
        "refused_harmless": 1,
        "accepted_harmless": 2,
    }
    assert record.cells["refused_harmful"].n == record.cells["accepted_harmful"].n == 5
    assert record.test_cells["refused_harmless"] == 1
    assert record.test_cells["accepted_harmless"] == 0
    assert record.refused_of_harmless.count == 1
    assert sum(record.fell_out.values()) == 4


def test_a_single_source_is_broken_down_by_category_instead():
    one = behaviour(*ROWS, source="mine", category="fraud")
    assert {group.kind for group in behaviour_record(one, one, reading()).groups} == {"category"}


def test_scores_keep_their_dtype():
    panel, _ = slot_panels(reading(), beliefs([0.1] * 6, [0.1] * 6), behaviour(*ROWS).cells())
    assert isinstance(panel.bands[0].mean[0], float)
    assert torch.tensor(panel.bands[0].mean).isfinite().all()
