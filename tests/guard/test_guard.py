"""Fitting and scoring on a tiny model."""

from dataclasses import replace

import numpy as np
import pytest

from latentguard.beliefs import belief
from latentguard.data import Prompt, Split
from latentguard.errors import TooFewPrompts
from latentguard.guard import Guard
from latentguard.statistics.metrics import auroc, ranked
from tests.guard.toy import behaviour_of, toy_prompts

CHEAP = {"untrained_copies": 0, "permutations": 0}


def test_a_belief_guard_scores_the_papers_belief(guard, model, unseen):
    verdicts = guard.score(unseen)
    fitted = guard.manifest.fitted
    states = model.capture([prompt.messages for prompt in unseen], slots=fitted.slots).at("t_inst")
    expected = belief(
        states,
        guard.tensors["harmfulness.positive"],
        guard.tensors["harmfulness.negative"],
        slots=range(len(fitted.slots)),
    )
    assert [verdict.score for verdict in verdicts] == pytest.approx(expected.tolist(), abs=1e-5)
    assert [verdict.harmfulness for verdict in verdicts] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_verdict_is_flag_times_predicted_decision(guard, unseen):
    refusal = guard.manifest.refusal
    for verdict in guard.score(unseen):
        assert verdict.flagged == (verdict.score >= guard.manifest.calibration.threshold)
        assert verdict.predicted_refused == (verdict.refusal >= refusal.threshold)
        assert verdict.cell == (
            f"{'refused' if verdict.predicted_refused else 'accepted'}_"
            f"{'harmful' if verdict.flagged else 'harmless'}"
        )
        assert 0 <= verdict.probability <= 1
        assert verdict.transfer == ()


def test_scores_do_not_depend_on_order_or_company(guard, unseen):
    together = guard.score(unseen)
    assert guard.score(unseen[::-1])[0].score == pytest.approx(together[-1].score, abs=1e-6)
    assert guard.score([unseen[7]])[0].score == pytest.approx(together[7].score, abs=1e-6)


def test_strings_and_conversations_are_prompts(guard):
    text = "Please smash the lamp"
    assert guard.score([text])[0] == guard.score([Prompt.of(text).messages])[0]


def test_scoring_reads_only_what_it_uses(guard, model, monkeypatch):
    asked = []
    capture = type(model).capture

    def watched(self, prompts, **options):
        asked.append(options)
        return capture(self, prompts, **options)

    monkeypatch.setattr(type(model), "capture", watched)
    guard.score(["Please smash the lamp", "Please paint it"])
    refusal = guard.manifest.refusal
    assert len(asked) == 1, "one pass over the prompts"
    assert set(asked[0]["slots"]) == {*guard.manifest.fitted.slots, *refusal.slots}
    assert set(asked[0]["positions"]) == {"t_inst", "t_post_inst"}


def test_a_guard_without_refusal_belief_reads_one_position_and_says_what_it_lacks(model, fitting, unseen):
    guard = Guard.fit(
        model, fitting[::2], fitting[1::2], method="belief", behaviour="skip", slots=[1, 2], **CHEAP
    )
    verdict = guard.score(unseen[:1])[0]
    assert (verdict.refusal, verdict.predicted_refused, verdict.cell) == (None, None, None)
    assert guard.manifest.fitted.slots == (1, 2)
    assert "unavailable" in guard.notes[0]


def test_a_fit_reads_only_the_positions_that_it_may_use(model, fitting, behaviour, monkeypatch):
    asked = []
    plain = type(model).capture
    monkeypatch.setattr(
        type(model), "capture", lambda self, *a, **k: asked.append(k["positions"]) or plain(self, *a, **k)
    )
    Guard.fit(model, fitting[::2], fitting[1::2], behaviour="skip", position="t_inst", untrained_copies=0)
    Guard.fit(model, fitting[::2], fitting[1::2], behaviour=behaviour, position="t_inst", untrained_copies=0)
    Guard.fit(model, fitting[::2], fitting[1::2], behaviour="skip", position="both", untrained_copies=0)
    assert asked == [("t_inst",), ("t_inst", "t_post_inst"), ("t_inst", "t_post_inst")]


def test_a_model_that_never_refuses_has_no_refusal_belief_and_says_so_with_the_counts(model, fitting):
    seen = behaviour_of(fitting)
    never = replace(seen, replies=tuple(replace(reply, refused=False) for reply in seen.replies))
    guard = Guard.fit(model, fitting[::2], fitting[1::2], method="belief", behaviour=never, **CHEAP)
    assert guard.manifest.refusal is None
    assert "refused_harmful 0" in guard.manifest.refusal_unavailable
    assert guard.manifest.behaviour["refused_harmful"] == 0
    assert guard.score(["Please paint the lamp"])[0].cell is None
    assert "the harmfulness belief is fitted on the labels" in " ".join(guard.notes)


def test_a_guard_with_both_beliefs_has_nothing_to_say_of_either(guard):
    assert guard.notes == ()


def test_a_behaviour_that_knows_none_of_the_training_prompts_is_refused(model, fitting, unseen):
    with pytest.raises(ValueError, match="none of them among the 56"):
        Guard.fit(model, fitting[::2], fitting[1::2], behaviour=behaviour_of(unseen), **CHEAP)


def test_every_part_of_a_fit_is_told_step_by_step(model, fitting, behaviour):
    told = []
    Guard.fit(
        model,
        fitting[::2],
        fitting[1::2],
        slots=[1, 2, 3],
        behaviour=behaviour,
        untrained_copies=1,
        permutations=1,
        progress=lambda *step: told.append(step),
    )
    stages = {stage: (done, total) for stage, done, total in told}
    methods = ("belief", "mean_difference", "lda")
    expected = {f"{where}fitting {method}" for where in ("", "untrained copy 0: ") for method in methods}
    assert expected <= set(stages)
    assert all(stages[stage] == (3, 3) for stage in expected)
    assert any(stage.startswith("permutation 0: fitting ") for stage in stages)
    assert stages["fitting text baselines"] == (1, 1)
    assert all(done == total for done, total in stages.values()), "no bar is left standing"


def test_the_model_itself_is_asked_where_no_behaviour_is_given(model, fitting):
    guard = Guard.fit(model, fitting[:20:2], fitting[1:20:2], method="belief", **CHEAP)
    data = guard.manifest.data
    assert sum(guard.manifest.behaviour.values()) == data.train_harmful + data.train_harmless


def test_auto_chooses_among_methods_and_positions(model, fitting, behaviour):
    guard = Guard.fit(model, fitting[::2], fitting[1::2], position="auto", behaviour=behaviour, **CHEAP)
    alone = Guard.fit(model, fitting[::2], fitting[1::2], method="lda", behaviour=behaviour, **CHEAP)
    assert guard.manifest.fitted.considered == 3 * 3 * alone.manifest.fitted.considered


@pytest.mark.parametrize("method", ["mean_difference", "lda", "logistic"])
@pytest.mark.parametrize("position", ["t_post_inst", "both"])
def test_every_method_and_position_scores(model, fitting, behaviour, unseen, method, position):
    guard = Guard.fit(
        model, fitting[::2], fitting[1::2], method=method, position=position, behaviour=behaviour, **CHEAP
    )
    scores = np.array([verdict.score for verdict in guard.score(unseen)])
    harmful = np.array([prompt.label == "harmful" for prompt in unseen])
    assert auroc(ranked(scores, harmful))[0] > 0.85, "one word tells the classes apart"


def test_a_splits_test_part_is_never_looked_at(model, fitting, behaviour):
    class Untouchable(list):
        def __iter__(self):
            raise AssertionError("the test part was read")

    given = Split(train=fitting[:60], validation=fitting[60:], test=Untouchable())
    guard = Guard.fit(model, given, method="belief", behaviour=behaviour, **CHEAP)
    assert guard.manifest.data.train_harmful == 30
    assert guard.manifest.data.validation_harmless == 10


def test_validation_prompts_decide_and_train_prompts_fit(model, fitting, behaviour):
    guard = Guard.fit(
        model,
        fitting[:40:2],
        fitting[1:40:2],
        validation=fitting[40:],
        method="belief",
        behaviour=behaviour,
        **CHEAP,
    )
    swapped = [
        replace(prompt, label="harmless" if prompt.label == "harmful" else "harmful")
        for prompt in fitting[40:]
    ]
    other = Guard.fit(
        model,
        fitting[:40:2],
        fitting[1:40:2],
        validation=swapped,
        method="belief",
        slots=guard.manifest.fitted.slots,
        behaviour=behaviour,
        **CHEAP,
    )
    same = guard.tensors["probe.weights"].equal(other.tensors["probe.weights"])
    assert same, "weights come from training prompts alone"
    assert guard.manifest.fitted.validation_auroc == pytest.approx(1 - other.manifest.fitted.validation_auroc)
    assert other.manifest.calibration.slope == 0


def test_a_lower_target_false_positive_rate_flags_less(model, fitting, behaviour):
    cuts = [
        Guard.fit(
            model,
            fitting[::2],
            fitting[1::2],
            method="belief",
            target_fpr=target,
            behaviour=behaviour,
            **CHEAP,
        ).manifest.calibration.threshold
        for target in (0.0, 0.5)
    ]
    assert cuts[0] > cuts[1]


def test_endings_as_written_fit_other_centroids(model, fitting, behaviour):
    balanced, written = (
        Guard.fit(
            model,
            fitting[::2],
            fitting[1::2],
            method="belief",
            endings=endings,
            slots=[2],
            behaviour=behaviour,
            **CHEAP,
        )
        for endings in ("balanced", "as_written")
    )
    assert not balanced.tensors["probe.weights"].equal(written.tensors["probe.weights"])


def test_the_same_fit_twice_is_the_same_guard(guard, model, fitting, behaviour):
    again = Guard.fit(
        model,
        [prompt for prompt in fitting if prompt.label == "harmful"],
        [prompt for prompt in fitting if prompt.label == "harmless"],
        method="belief",
        behaviour=behaviour,
        untrained_copies=2,
        permutations=2,
    )
    assert again.manifest == guard.manifest
    assert all(again.tensors[name].equal(tensor) for name, tensor in guard.tensors.items())


@pytest.mark.parametrize(
    ("harmful", "harmless", "error"),
    [
        (toy_prompts(range(9))[::2], [], TooFewPrompts),
        (toy_prompts(range(9)), None, ValueError),
    ],
)
def test_a_missing_class_is_refused(model, harmful, harmless, error):
    with pytest.raises(error):
        Guard.fit(model, harmful, harmless, behaviour="skip")


def test_slots_that_the_model_does_not_have_are_refused(model, fitting):
    with pytest.raises(ValueError, match="0 to 4"):
        Guard.fit(model, fitting[::2], fitting[1::2], slots=[9], behaviour="skip")


def test_one_prompt_in_place_of_a_list_is_refused_everywhere(guard, model, fitting):
    with pytest.raises(ValueError, match="put it in a list"):
        guard.score("hello")
    with pytest.raises(ValueError, match="put it in a list"):
        Guard.fit(model, "hello", fitting[1::2], behaviour="skip")


def test_a_guard_is_shown_in_a_line(guard):
    assert repr(guard).startswith("Guard('tiny Qwen3': belief at t_inst, slots ")
    assert len(repr(guard)) < 200


def test_prompts_are_shown_inert_in_a_notebook(guard):
    html = guard.score(["<script>alert(1)</script>\x1b[31m"])._repr_html_()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_a_frame_has_a_row_for_every_prompt(guard, unseen):
    frame = guard.score(unseen).to_frame()
    assert list(frame["prompt"]) == [prompt.text for prompt in unseen]
    assert frame["probability"].between(0, 1).all()
