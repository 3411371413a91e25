"""Measuring a guard beside its baselines."""

from dataclasses import replace
from inspect import unwrap

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from latentguard._progress import silent
from latentguard.data import Prompt
from latentguard.errors import TooFewPrompts
from latentguard.guard import Calibration, Evaluation, Guard
from latentguard.guard._evaluate import above_untrained, measure
from latentguard.guard.baselines import Scored
from latentguard.guard.sampling import Sample
from tests.guard.toy import behaviour_of, toy_prompts


@pytest.fixture(scope="module")
def evaluation(guard, unseen) -> Evaluation:
    return guard.evaluate(unseen, behaviour=behaviour_of(unseen), resamples=300)


def labels(evaluation):
    return np.array([prompt.label == "harmful" for prompt in evaluation.prompts])


def test_every_baseline_is_measured_beside_the_guard(evaluation):
    assert [one.name for one in evaluation.baselines] == [
        "permuted_labels",
        "length",
        "final_punctuation",
        "refusal_belief",
        "tfidf",
        "untrained",
    ]
    for one in evaluation.baselines:
        assert one.difference.value == pytest.approx(evaluation.guard.auroc.value - one.auroc.value)
        assert one.difference.low <= one.difference.value <= one.difference.high


def test_figures_are_those_of_the_scores(evaluation):
    harmful = labels(evaluation)
    for one in (evaluation.guard, *evaluation.baselines):
        expected = np.mean([roc_auc_score(harmful, copy) for copy in one.scores])
        assert one.auroc.value == pytest.approx(expected), one.name
        assert one.copies == len(one.scores)
    flags = np.array([verdict.flagged for verdict in evaluation.verdicts])
    assert evaluation.guard.accuracy.value == pytest.approx((flags == harmful).mean())
    assert evaluation.guard.scores[0] == tuple(verdict.score for verdict in evaluation.verdicts)


def test_words_alone_tell_the_toy_classes_apart_and_length_does_not(evaluation):
    assert evaluation.baseline("tfidf").auroc.value > 0.99
    assert evaluation.baseline("length").auroc.value == pytest.approx(0.5)
    assert evaluation.baseline("final_punctuation").auroc.value == pytest.approx(0.5)


def test_a_guard_on_random_weights_is_said_to_be_no_better_than_its_untrained_copies(evaluation):
    assert evaluation.guard.auroc.value > 0.8, "the premise: random features read words"
    assert evaluation.above_untrained is False
    assert evaluation.statement.startswith("not above an untrained copy of this model")


def test_a_guard_without_copies_claims_nothing(model, fitting, unseen):
    guard = Guard.fit(
        model,
        fitting[::2],
        fitting[1::2],
        method="belief",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )
    found = guard.evaluate(unseen, resamples=20)
    assert found.above_untrained is None
    assert found.statement.startswith("not compared")
    assert found.baseline("refusal_belief").unavailable
    assert found.baseline("refusal_belief").auroc.value is None


def test_copies_that_cannot_be_made_again_are_not_compared(guard, unseen):
    records = tuple(record.model_copy(update={"fingerprint": "0"}) for record in guard.manifest.untrained)
    other = replace(guard, manifest=guard.manifest.model_copy(update={"untrained": records}))
    found = other.evaluate(unseen, resamples=20)
    assert found.above_untrained is None
    assert "cannot be made again" in found.statement


def test_prompts_of_the_fit_are_left_out_and_counted(guard, fitting, unseen):
    again = [fitting[0], fitting[1].with_text(fitting[1].text.upper() + "?")]
    found = guard.evaluate([*unseen, *again, Prompt.of("no label")], resamples=20)
    assert found.left_out_seen == 2
    assert found.left_out_unlabelled == 1
    assert found.n_harmful == found.n_harmless == 30


@pytest.mark.parametrize("ending", ["…", ":", '."', "؟", "।", "! 🍞"])
def test_fitted_prompts_with_another_ending_are_left_out(guard, fitting, unseen, ending):
    again = [prompt.with_text(prompt.text + ending) for prompt in fitting[:6]]
    strangers = [replace(prompt, id=None) for prompt in again]
    assert guard.evaluate([*unseen, *strangers], resamples=20).left_out_seen == 6


def test_wrappings_of_fitted_prompts_are_left_out_and_counted(guard, fitting, unseen):
    wrapped = [
        Prompt.of(
            f"You are an actor. Say how you would: {prompt.text}",
            label=prompt.label,
            source="wrappings",
            base_id=prompt.id,
        )
        for prompt in fitting[:8]
    ]
    found = guard.evaluate([*unseen, *wrapped], resamples=20)
    assert (found.left_out_seen, found.n_harmful, found.n_harmless) == (8, 30, 30)


def test_a_trivial_id_of_another_source_leaves_nothing_out(model, fitting, unseen):
    numbered, others = (
        [replace(prompt, id=str(index), source=source) for index, prompt in enumerate(prompts)]
        for prompts, source in ((fitting, "a"), (unseen, "b"))
    )
    guard = Guard.fit(
        model,
        numbered[::2],
        numbered[1::2],
        method="belief",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )
    assert guard.evaluate(others, resamples=20).left_out_seen == 0
    assert guard.evaluate([*others, *numbered], resamples=20).left_out_seen == len(numbered)


def test_an_evaluation_on_the_fitting_data_alone_is_refused(guard, fitting):
    with pytest.raises(TooFewPrompts, match="80 that the guard was fitted on"):
        guard.evaluate(fitting)


def test_a_behaviour_that_knows_none_of_the_measured_prompts_is_refused(guard, fitting, unseen):
    with pytest.raises(ValueError, match="none of them among the 60"):
        guard.evaluate(unseen, behaviour=behaviour_of(fitting), resamples=20)


def test_one_prompt_in_place_of_a_list_is_refused(guard):
    with pytest.raises(ValueError, match="put it in a list"):
        unwrap(Guard.evaluate)(guard, "hello")


def test_measuring_is_told_baseline_by_baseline_and_row_by_row(guard, unseen):
    told = []
    found = guard.evaluate(unseen, resamples=20, progress=lambda *step: told.append(step))
    measured = [step for step in told if step[0] == "measuring"]
    assert measured == [("measuring", done, 7) for done in range(1, 8)]
    of_rows = [step for step in told if step[0] == "measuring sources, attacks and decisions"]
    assert [done for _, done, _ in of_rows] == list(range(1, len(found.rows) + 1))


def two_copies():
    """Forty prompts; a guard that is always right, one copy that is, and one that is always wrong."""
    prompts = toy_prompts(range(20))
    harmful = np.array([prompt.label == "harmful" for prompt in prompts])
    right, calibration = harmful.astype(float), Calibration(slope=1.0, intercept=0.0, threshold=0.5)
    guard = Scored("guard", ((right, calibration),))
    copies = Scored("untrained", ((right, calibration), (-right, calibration)))
    return prompts, guard, copies


def test_the_interval_of_the_difference_holds_the_luck_of_the_copies():
    prompts, *scored = two_copies()
    _, found = measure(scored, Sample.of(prompts, resamples=400, seed=0), progress=silent)
    assert (found.auroc.value, found.difference.value) == (0.5, 0.5), "the value is the mean over copies"
    assert (found.difference.low, found.difference.high) == (0.0, 1.0), "no draw of prompts changes any AUROC"
    assert (found.accuracy.low, found.accuracy.high) == (pytest.approx(0.35, abs=0.2), 1.0)
    assert not above_untrained(found)[0]


def test_copies_are_drawn_the_same_for_the_same_seed_only():
    prompts, *_ = two_copies()
    values = np.stack([np.full(101, float(copy)) for copy in range(3)])
    first, again, other = (
        Sample.of(prompts, resamples=100, seed=seed).over_copies(values) for seed in (1, 1, 2)
    )
    assert first[0] == pytest.approx(1.0)
    assert (first == again).all()
    assert (first != other).any()
    assert set(np.round(first[1:] * 3)) <= set(range(7))
    assert first[1:].std() == pytest.approx(np.std(range(3)) / np.sqrt(3), rel=0.3)


def test_one_copy_adds_no_spread():
    prompts, *_ = two_copies()
    values = np.linspace(0, 1, 21)[None]
    np.testing.assert_array_equal(Sample.of(prompts, resamples=20, seed=0).over_copies(values), values[0])


def test_the_mean_over_pairs_draws_copies_too(evaluation):
    copies = ((0.0,) * 60, tuple(float(prompt.label == "harmful") for prompt in evaluation.prompts))
    of = evaluation.baseline("untrained").model_copy(update={"scores": copies})
    other = evaluation.model_copy(update={"baselines": (of,)})
    found = other.mean_of_pairs("untrained")
    assert (found.low, found.value, found.high) == (0.5, 0.75, 1.0)


def test_rows_count_and_compare_their_own_prompts(evaluation):
    rows = {(row.kind, row.name): row for row in evaluation.rows}
    assert rows["attack", "prefix"].n_harmful == rows["attack", "prefix"].n_harmless == 6
    assert rows["attack", "prefix"].against == "own"
    source = rows["source", "harmful-0"]
    assert (source.n_harmful, source.n_harmless, source.against) == (15, 0, "all harmless")
    assert source.false_positive_rate.value is None
    chosen = [p.source == "harmful-0" or p.label == "harmless" for p in evaluation.prompts]
    expected = roc_auc_score(labels(evaluation)[chosen], np.array(evaluation.guard.scores[0])[chosen])
    assert source.auroc.value == pytest.approx(expected)
    assert rows["decision", "accepted"].n_harmful == 6
    assert rows["decision", "refused"].n_harmful == 24


def test_mean_of_pairs_is_the_mean_over_source_pairs(evaluation):
    pairs = evaluation.pairs()
    assert len(pairs) == 4
    mean = evaluation.mean_of_pairs()
    assert mean.value == pytest.approx(np.mean(list(pairs.values())))
    assert mean.low <= mean.value <= mean.high
    one = evaluation.mean_of_pairs(harmful=["harmful-1"], harmless=["harmless-0"])
    assert one.value == pytest.approx(pairs["harmful-1", "harmless-0"])
    against = evaluation.mean_of_pairs(minus="length")
    assert against.value == pytest.approx(mean.value - evaluation.mean_of_pairs("length").value)


def test_misread_prompts_come_most_confident_first(evaluation):
    wrong = evaluation.misread()
    assert all(verdict.flagged != (prompt.label == "harmful") for prompt, verdict in wrong)
    sure = [abs(verdict.probability - (prompt.label == "harmful")) for prompt, verdict in wrong]
    assert sure == sorted(sure, reverse=True)


def test_json_holds_the_figures_and_no_prompt(evaluation):
    text = evaluation.model_dump_json()
    assert not any(prompt.text in text for prompt in evaluation.prompts)
    again = Evaluation.model_validate_json(text)
    assert again.guard.auroc == evaluation.guard.auroc
    assert again.rows == evaluation.rows
    with pytest.raises(KeyError):
        again.mean_of_pairs()


def test_frames_and_notebook_display_have_a_row_for_everything(evaluation):
    assert len(evaluation.to_frame()) == 7
    assert len(evaluation.rows_frame()) == len(evaluation.rows)
    html = evaluation._repr_html_()
    assert "untrained" in html
    assert evaluation.statement in html


def test_hostile_names_are_inert_in_a_notebook(guard):
    prompts = [replace(prompt, source="<img onerror=x>") for prompt in toy_prompts(range(60, 70))]
    assert "<img" not in guard.evaluate(prompts, resamples=20)._repr_html_()


def test_a_request_and_its_wrapping_are_drawn_together():
    plain = toy_prompts(range(20))
    wrapped = [
        replace(prompt, id=None, base_id=prompt.id, source="wrappings", attack="role play")
        for prompt in plain
    ]
    draws = Sample.of([*plain, *wrapped], resamples=100, seed=0).draws
    assert (draws[:, :40] == draws[:, 40:]).all()
    assert (draws.std(axis=0) > 0).all()


def test_a_pair_is_drawn_together_and_small_strata_still_vary():
    prompts = [
        replace(prompt, base_id=f"pair-{index // 2}", source=f"source-{index // 4}")
        for index, prompt in enumerate(toy_prompts(range(30)))
    ]
    draws = Sample.of(prompts, resamples=100, seed=0).draws
    assert (draws[:, ::2] == draws[:, 1::2]).all()
    assert (draws.std(axis=0) > 0).all()
    assert (draws.sum(axis=1) == 60).all()
