"""What the program is for, on a real model: it fills the four verdict cells, and a guard reads harm in it."""

import pytest

from latentguard.beliefs import observe
from latentguard.data import contrast_set
from latentguard.guard import Guard

pytestmark = pytest.mark.real

OBSERVED = 24
"""Prompts a class that reply; at 0.5B parameters each costs about a third of a second."""
FITTED = 40
TESTED = 30


def of_each(prompts, count):
    """`count` prompts of either class, from every part of the set: each category in turn, English only."""
    chosen = []
    for label in ("harmful", "harmless"):
        found = [prompt for prompt in prompts if prompt.label == label and prompt.lang in (None, "en")]
        by_category = sorted(
            range(len(found)), key=lambda i: (sum(p.category == found[i].category for p in found[:i]), i)
        )
        chosen += [found[index] for index in by_category[:count]]
    return chosen


def test_the_models_own_behaviour_fills_the_four_cells(real_model):
    behaviour = observe(real_model, of_each(contrast_set().test, OBSERVED))
    counts = {cell: len(members) for cell, members in behaviour.cells().items()}
    assert min(counts.values()) >= 3, counts
    assert sum(counts.values()) + behaviour.counts()["empty"] == 2 * OBSERVED


@pytest.fixture(scope="module")
def guard(real_model):
    """The belief, fitted on matched pairs of the package's own."""
    fitting = of_each(contrast_set().train, FITTED)
    return Guard.fit(
        real_model,
        [prompt for prompt in fitting if prompt.label == "harmful"],
        [prompt for prompt in fitting if prompt.label == "harmless"],
        slots=range(10, 20),
        method="belief",
        behaviour="skip",
        untrained_copies=0,
    )


def test_a_guard_inside_generation_says_what_it_says_before(guard, real_model):
    """In the package's own generation and in transformers'; a flagged prompt gets no token in either."""
    prompts = of_each(contrast_set().test, 6)
    scored = guard.score(prompts)
    replies = real_model.generate([one.messages for one in prompts], max_new_tokens=2, guard=guard)
    with guard.watching(real_model.module, prompts) as watch:
        inputs = watch.inputs
        written = real_model.module.generate(
            **inputs, max_new_tokens=2, do_sample=False, logits_processor=[watch.processor]
        )[:, inputs["input_ids"].shape[1] :]
    assert {one.flagged for one in scored} == {True, False}
    for before, reply, watched, tokens in zip(scored, replies, watch.verdicts, written, strict=True):
        assert before.score == pytest.approx(reply.verdict.score, abs=1e-2)
        assert before.score == pytest.approx(watched.score, abs=1e-2)
        assert before.flagged == reply.verdict.flagged == watched.flagged
        assert (reply.ids == ()) == before.flagged == (int(tokens[0]) == real_model.end)


def test_a_guard_fitted_on_matched_pairs_separates_unseen_ones(guard):
    found = guard.evaluate(of_each(contrast_set().test, TESTED))
    assert (found.n_harmful, found.n_harmless) == (TESTED, TESTED)
    assert found.guard.auroc.low is not None
    assert found.guard.auroc.low > 0.5
    ending = found.baseline("final_punctuation")
    assert ending is not None
    assert ending.difference is not None
    assert ending.difference.low is not None
    assert ending.difference.low > 0
