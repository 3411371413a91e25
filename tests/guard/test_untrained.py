"""An untrained copy goes through the guard's whole choice, and no further."""

from dataclasses import replace

import pytest

from latentguard.guard import Guard
from latentguard.guard.choice import windows
from tests.guard.toy import behaviour_of

AUTO = {"method": "auto", "position": "auto"}


@pytest.fixture(scope="module")
def chosen(model, fitting) -> Guard:
    """Method, position and slots were all chosen, for the guard and for each copy."""
    return Guard.fit(
        model, fitting[::2], fitting[1::2], **AUTO, behaviour="skip", untrained_copies=2, permutations=0
    )


def test_a_copy_had_as_many_tries_as_the_guard(chosen):
    deepest = chosen.manifest.deepest_slot
    for record in chosen.manifest.untrained:
        assert record.considered == 3 * 3 * len(windows(deepest))
        assert max(record.slots) <= deepest


def test_a_copy_is_the_guard_that_its_weights_would_have_got(chosen, model, fitting, unseen):
    measured = chosen.evaluate(unseen, resamples=20).baseline("untrained")
    for record, scores in zip(chosen.manifest.untrained, measured.scores, strict=True):
        copy = model.reinitialised(record.seed, deepest_slot=chosen.manifest.deepest_slot)
        own = Guard.fit(
            copy, fitting[::2], fitting[1::2], **AUTO, behaviour="skip", untrained_copies=0, permutations=0
        )
        fitted = own.manifest.fitted
        assert (record.method, record.positions, record.slots) == (
            fitted.method,
            fitted.positions,
            fitted.slots,
        )
        assert (record.validation_auroc, record.considered) == (fitted.validation_auroc, fitted.considered)
        assert scores == pytest.approx([verdict.score for verdict in own.score(unseen)], abs=1e-5)


def test_copies_choose_for_themselves(chosen):
    own = {(one.method, one.positions) for one in (chosen.manifest.fitted, *chosen.manifest.untrained)}
    assert len(own) > 1, "the premise: on this data not every model is read best in the same way"


def test_a_saved_copy_keeps_its_own_choice(chosen, model, unseen, tmp_path):
    chosen.save(tmp_path / "guard")
    loaded = Guard.load(tmp_path / "guard", model)
    assert loaded.manifest.untrained == chosen.manifest.untrained
    assert loaded.evaluate(unseen, resamples=20) == chosen.evaluate(unseen, resamples=20)


def test_a_copy_is_scored_by_its_own_method_whatever_the_guards_is(guard, unseen):
    fitted = guard.manifest.fitted.model_copy(update={"method": "lda"})
    other = replace(guard, manifest=guard.manifest.model_copy(update={"fitted": fitted}))
    own, changed = (one.evaluate(unseen, resamples=5) for one in (guard, other))
    assert own.guard.scores != changed.guard.scores, "the premise: unit states or raw ones"
    assert own.baseline("untrained").scores == changed.baseline("untrained").scores


@pytest.mark.parametrize("position", ["t_inst", "t_post_inst"])
def test_a_copy_is_read_only_where_the_options_may_read(model, fitting, unseen, position, monkeypatch):
    asked = []
    plain = type(model).capture

    def watched(self, prompts, **options):
        if self is not model:
            asked.append(options["positions"])
        return plain(self, prompts, **options)

    monkeypatch.setattr(type(model), "capture", watched)
    guard = Guard.fit(
        model,
        fitting[::2],
        fitting[1::2],
        method="belief",
        position=position,
        behaviour=behaviour_of(fitting),
        untrained_copies=1,
        permutations=0,
    )
    assert guard.manifest.refusal is not None, "the premise: the guard itself reads both positions"
    guard.evaluate(unseen, resamples=20)
    assert asked == [(position,), (position,)]
