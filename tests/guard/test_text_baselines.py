"""Baselines that never see a model."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from latentguard.data import Prompt
from latentguard.guard import text_baselines
from latentguard.guard.text_baselines import TextBaselines, fit_text_baselines
from tests.guard.toy import toy_prompts

FITTED = fit_text_baselines(toy_prompts(range(40)))


def labelled(*rows):
    return [Prompt.of(text, label=label) for text, label in rows]


def test_tfidf_scores_are_scikit_learns_own_and_survive_json():
    train, unseen = toy_prompts(range(40)), toy_prompts(range(40, 60))
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    matrix = vectorizer.fit_transform([prompt.text for prompt in train])
    labels = [prompt.label == "harmful" for prompt in train]
    model = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced").fit(matrix, labels)
    expected = (
        model.decision_function(vectorizer.transform([prompt.text for prompt in unseen])) - model.intercept_
    )
    again = TextBaselines.model_validate_json(FITTED.model_dump_json())
    np.testing.assert_allclose(again.tfidf(unseen), expected, atol=1e-6)


def test_length_is_turned_so_that_harmful_scores_higher():
    longer = fit_text_baselines(labelled(("a long harmful text", "harmful"), ("short", "harmless")))
    shorter = fit_text_baselines(labelled(("bad", "harmful"), ("a long and kind text", "harmless")))
    prompts = labelled(("abc", None), ("abcdef", None))
    assert longer.length(prompts).tolist() == [3.0, 6.0]
    assert shorter.length(prompts).tolist() == [-3.0, -6.0]


def test_the_ending_baseline_reads_the_final_mark_and_nothing_else():
    rows = [("do it", "harmful")] * 8 + [("do it.", "harmless")] * 8
    fitted = fit_text_baselines(labelled(*rows))
    stop, bare, unknown = fitted.ending(
        labelled(("anything else.", None), ("anything", None), ("what?!", None))
    )
    assert stop < unknown < bare
    assert unknown == 0
    assert stop == -bare


def test_no_more_words_are_kept_than_is_said(monkeypatch):
    monkeypatch.setattr(text_baselines, "MOST_TERMS", 5)
    assert len(fit_text_baselines(toy_prompts(range(40))).terms) == 5


def test_texts_without_words_score_0():
    fitted = fit_text_baselines(labelled(("!!!", "harmful"), ("...", "harmless")))
    assert fitted.tfidf(labelled(("hello", None))).tolist() == [0.0]
