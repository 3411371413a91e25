"""Readings of a tiny model: what was averaged, and what is said where nothing can be."""

from dataclasses import replace

import pytest
import torch

from latentguard.beliefs import (
    Behaviour,
    Beliefs,
    Reply,
    fit_reading,
    layer_scores,
    offset_name,
    read,
    shifted,
)
from latentguard.beliefs.table import MOST_ROWS
from latentguard.data import Prompt, with_endings
from latentguard.errors import PositionNotProved, TooFewPrompts, UndefinedBelief
from latentguard.lm import LanguageModel
from tests.lm.tiny import tiny

OBJECTS = ("cake", "lamp", "boat", "shirt", "drum", "chair", "kite", "clock", "fence", "stove", "rug", "vase")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny("Qwen3", seed=1)


def seen(*, refuses: bool = True) -> Behaviour:
    """Twelve harmful prompts, refused or not, and twelve harmless ones, one of them refused."""
    prompts = [
        Prompt.of(f"{verb} the {thing}", label=label)
        for verb, label in (("smash", "harmful"), ("paint", "harmless"))
        for thing in OBJECTS
    ]
    refused = [refuses] * 12 + [True] + [False] * 11
    return Behaviour(
        prompts=tuple(prompts),
        replies=tuple(
            Reply(refused=one, empty=False, characters=1, tokens=1, sha256="0" * 64) for one in refused
        ),
        max_new_tokens=16,
    )


def mean_of(model, prompts, position):
    return (
        model.capture([prompt.messages for prompt in prompts], positions=(position,)).at(position).mean(dim=0)
    )


def test_centroids_are_the_means_of_the_behaviour_clusters_with_every_ending(model):
    behaviour = seen()
    reading = fit_reading(model, behaviour)
    harmful, harmless = with_endings(behaviour.prompts[:12]), with_endings(behaviour.prompts[13:])
    for centroids, position in ((reading.harmfulness, "t_inst"), (reading.refusal, "t_post_inst")):
        assert centroids.position == position
        assert (centroids.n_positive, centroids.n_negative) == (12, 11)
        torch.testing.assert_close(
            centroids.positive, mean_of(model, harmful, position), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            centroids.negative, mean_of(model, harmless, position), atol=1e-4, rtol=1e-4
        )
    assert (reading.basis, reading.notes) == ("behaviour", ())
    assert reading.fell_out["refused_harmless"] == 1


def test_as_written_adds_no_ending(model):
    behaviour = seen()
    reading = fit_reading(model, behaviour, endings="as_written")
    expected = mean_of(model, behaviour.prompts[:12], "t_inst")
    torch.testing.assert_close(reading.harmfulness.positive, expected, atol=1e-4, rtol=1e-4)


def test_a_model_that_never_refuses_is_read_by_labels_and_says_so_with_the_counts(model):
    behaviour = seen(refuses=False)
    reading = fit_reading(model, behaviour, endings="as_written")
    assert reading.basis == "labels"
    assert reading.refusal is None
    assert "refused_harmful 0" in reading.unavailable
    assert "accepted_harmful 12" in reading.unavailable
    assert any("fitted on labels" in note for note in reading.notes)
    assert (reading.harmfulness.n_positive, reading.harmfulness.n_negative) == (12, 12)
    expected = mean_of(model, behaviour.prompts[12:], "t_inst")
    torch.testing.assert_close(reading.harmfulness.negative, expected, atol=1e-4, rtol=1e-4)
    assert read(model, reading, behaviour.prompts[:2]).refusal() is None
    with pytest.raises(TooFewPrompts, match="refused_harmful 0"):
        reading.directions("refusal")


def test_reading_prompts_scores_each_belief_at_its_position(model):
    behaviour = seen()
    reading = fit_reading(model, behaviour)
    prompts = [Prompt.of("smash the old door"), Prompt.of("What is paint made of?"), Prompt.of("hello")]
    beliefs = read(model, reading, prompts, prompts_at_once=2)
    states = model.capture([prompt.messages for prompt in prompts], positions=("t_inst", "t_post_inst"))
    for by_slot, centroids in (
        (beliefs.harmfulness_by_slot, reading.harmfulness),
        (beliefs.refusal_by_slot, reading.refusal),
    ):
        expected = layer_scores(states.at(centroids.position), centroids.positive, centroids.negative)
        torch.testing.assert_close(by_slot, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(beliefs.harmfulness(), beliefs.harmfulness_by_slot[:, 1:].mean(dim=1))
    torch.testing.assert_close(beliefs.refusal([2]), beliefs.refusal_by_slot[:, 2])


def test_the_refusal_direction_at_slot_0_is_exactly_0(model):
    first = fit_reading(model, seen()).directions("refusal")[0]
    assert first.length == 0.0
    assert (first.slot, first.position) == (0, "t_post_inst")


def test_directions_say_where_they_come_from(model):
    direction = fit_reading(model, seen(), offset=-1).directions("harmfulness")[3]
    assert (direction.kind, direction.slot, direction.position) == ("harmfulness", 3, "t_inst-1")
    assert (direction.n_positive, direction.n_negative, direction.endings) == (12, 11, "balanced")
    assert direction.provenance["fingerprint"] == model.identity().fingerprint
    assert direction.provenance["basis"] == "behaviour"


def test_an_offset_reads_that_many_tokens_earlier(model):
    rendered = model.render("paint the lamp in the hall")
    moved = shifted([rendered], -2)[0]
    assert moved.t_inst == rendered.t_inst - 2
    assert replace(moved, t_inst=rendered.t_inst) == rendered
    with torch.no_grad():
        output = model.module(input_ids=torch.tensor([rendered.ids]), output_hidden_states=True)
    states = model.capture([moved]).tensor[0, 0]
    torch.testing.assert_close(states[1], output.hidden_states[1][0, rendered.t_inst - 2])
    assert (offset_name(-2), offset_name(0), offset_name(1)) == ("t_inst-2", "t_inst", "t_inst+1")


def test_an_offset_that_leaves_the_users_text_is_refused(model):
    with pytest.raises(PositionNotProved, match="t_inst-200"):
        shifted([model.render("hi")], -200)


def test_one_class_alone_is_refused(model):
    behaviour = seen(refuses=False)
    only = Behaviour(prompts=behaviour.prompts[:12], replies=behaviour.replies[:12], max_new_tokens=16)
    with pytest.raises(TooFewPrompts, match="12 harmful and 0 harmless"):
        fit_reading(model, only)


def test_two_classes_of_the_same_prompts_have_no_reading(model):
    prompts = tuple(
        Prompt.of("paint it", label=label) for label in ("harmful", "harmless") for _ in range(10)
    )
    behaviour = Behaviour(
        prompts=prompts, replies=seen().replies[:10] + seen().replies[13:23], max_new_tokens=16
    )
    with pytest.raises(UndefinedBelief, match="coincide"):
        fit_reading(model, behaviour)


def test_no_prompt_is_nothing_to_read(model):
    with pytest.raises(TooFewPrompts, match="nothing to read"):
        read(model, fit_reading(model, seen()), [])


def test_the_frame_of_a_reading_has_the_lengths_and_the_angle_of_its_directions(model):
    reading = fit_reading(model, seen())
    frame = reading.to_frame()
    assert list(frame["slot"]) == list(range(model.n_slots))
    assert list(frame["refusal"]) == [one.length for one in reading.directions("refusal")]
    assert frame["cosine"][1:].between(-1, 1).all()
    assert frame["cosine"].isna()[0]


def test_the_frames_of_a_reading_without_refusal_hold_nothing_invented(model):
    reading = fit_reading(model, seen(refuses=False))
    frame = reading.to_frame()
    assert frame["harmfulness"].notna().all()
    assert frame[["refusal", "cosine"]].isna().all(axis=None)
    read_back = read(model, reading, seen().prompts[:3])
    assert read_back.to_frame()["refusal"].isna().all()
    assert "refusal_slot_1" not in read_back.to_frame()
    for html in (reading._repr_html_(), read_back._repr_html_()):
        assert "unavailable" in html
    assert "refused_harmful 0" in reading._repr_html_()


def test_the_frame_of_beliefs_has_a_row_a_prompt_and_a_column_a_slot(model):
    reading = fit_reading(model, seen())
    beliefs = read(model, reading, seen().prompts)
    frame = beliefs.to_frame()
    assert list(frame["harmfulness"]) == beliefs.harmfulness().tolist()
    assert list(frame["refusal_slot_2"]) == beliefs.refusal_by_slot[:, 2].tolist()
    assert len(frame.columns) == 2 + 2 * model.n_slots


def test_a_notebook_shows_the_first_prompts_of_many():
    html = Beliefs(torch.full((1000, 3), 0.25), torch.full((1000, 3), -0.5))._repr_html_()
    assert "1000 prompts" in html
    assert html.count("<tr>") == 1 + MOST_ROWS
    assert html.count("+0.250") == html.count("-0.500") == MOST_ROWS


def test_a_notebook_shows_what_a_reading_was_fitted_on(model):
    html = fit_reading(model, seen())._repr_html_()
    assert "12 against 11 prompts" in html
    assert "fitted on behaviour, endings balanced" in html
    assert "t_post_inst" in html


@pytest.mark.parametrize("slots", [[], [4], [-1], [True], [1.0]], ids=repr)
def test_beliefs_over_what_is_no_slot_are_refused(slots):
    with pytest.raises(ValueError, match="slot"):
        Beliefs(torch.zeros(3, 4), None).harmfulness(iter(slots))
