"""Answers that a guard was taught to read: what is planted in the organism is caught, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from latentguard.beliefs import Behaviour, observe
from latentguard.data import Prompt
from latentguard.errors import ArtefactMismatch, TooFewPrompts
from latentguard.guard import FittedAnswers, Guard
from latentguard.guard.answers import kept, made
from latentguard.guard.answers.manifest import with_answers
from latentguard.guard.relatives import recognised_by, text_hash
from latentguard.lm import LanguageModel, LastTokens
from latentguard.organism import audit_data, sample_prompts


@pytest.fixture(scope="module")
def plain(organism: LanguageModel) -> Guard:
    """Fitted on prompts alone."""
    harmful, harmless = audit_data()
    return Guard.fit(
        organism, harmful[:60], harmless[:60], untrained_copies=0, permutations=0, categories=False
    )


@pytest.fixture(scope="module")
def data() -> tuple[list[Prompt], list[Prompt]]:
    """Prompts whose answers are learned from: of both classes some are wrapped, or wrappings were learned."""
    harmful, harmless = audit_data()
    return [*harmful[::2], *sample_prompts("persuasion", 40, seed=9)], harmless[::2]


@pytest.fixture(scope="module")
def guard(plain: Guard, data: tuple[list[Prompt], list[Prompt]]) -> Guard:
    """The same, taught to read answers."""
    return plain.fit_answers(*data, target_fpr=0.05, max_new_tokens=80)  # wrapped prompts are given 64


def series(guard: Guard, prompts: list[Prompt]) -> list[list[float]]:
    """What the trigger takes of the answers to these."""
    found: list[list[float]] = [[] for _ in prompts]

    def take(numbers: list[int], states: torch.Tensor) -> None:
        for number, one in zip(numbers, guard.answers.read(states), strict=True):
            found[number].append(one.counts)

    guard.model.generate(
        [one.messages for one in prompts],
        max_new_tokens=24,
        of_replies=LastTokens(guard.answers.slots, take),
    )
    return found


def cut(guard: Guard, answers: list[list[float]]) -> list[bool]:
    triggers = [guard.answers.trigger() for _ in answers]
    return [
        any(one is not None and one.take(belief) for belief in answer)
        for one, answer in zip(triggers, answers, strict=True)
    ]


def test_accepted_harmful_answers_are_cut_and_harmless_ones_are_not(guard: Guard) -> None:
    """Of prompts that nothing was fitted on."""
    harmful, harmless = audit_data()
    obeyed = [one for one in harmful[1::2] if one.attack in ("persuasion", "role_play")]
    assert len(obeyed) >= 10
    assert sum(cut(guard, series(guard, obeyed))) >= 0.8 * len(obeyed)
    assert sum(cut(guard, series(guard, harmless[1::2]))) <= 0.05 * 100


def test_the_record_says_what_to_expect_of_more_answers(guard: Guard) -> None:
    record = guard.manifest.answers
    assert record is not None
    assert min(record.train["accepted_harmful"], record.train["refused_harmful"]) >= 10
    assert record.false_cuts.n == sum(
        record.validation[cell] for cell in ("accepted_harmless", "refused_harmless")
    )
    assert record.caught.n == record.validation["accepted_harmful"]
    assert record.caught.low is not None
    assert record.caught.low > 0.5
    assert record.false_cuts.high is not None
    assert record.low <= record.high


def test_shuffled_labels_teach_nothing(
    plain: Guard, guard: Guard, data: tuple[list[Prompt], list[Prompt]]
) -> None:
    """The same prompts, half of each class under the other's label: none are cut but by chance."""
    drawn = list({text_hash(one): one for one in (*data[0], *data[1])}.values())
    Random(0).shuffle(drawn)
    shuffled = [
        replace(one, label="harmful" if number % 2 else "harmless", base_id=None, attack=None)
        for number, one in enumerate(drawn)
    ]
    made = plain.fit_answers(
        [one for one in shuffled if one.label == "harmful"],
        [one for one in shuffled if one.label == "harmless"],
        target_fpr=0.05,
        max_new_tokens=24,
    )
    found, true = made.manifest.answers, guard.manifest.answers
    assert found is not None
    assert true is not None
    assert (found.caught.value or 0.0) < (true.caught.value or 0.0) / 3


def test_prompts_are_judged_as_before_and_those_learned_from_are_known(plain: Guard, guard: Guard) -> None:
    prompts = [one.messages for one in audit_data()[0][:5]]
    assert list(plain.score(prompts)) == list(guard.score(prompts))
    seen = set(guard.manifest.data.seen)
    assert seen > set(plain.manifest.data.seen)
    assert not seen.isdisjoint(recognised_by(sample_prompts("persuasion", 40, seed=9)[0]))


def test_work_that_was_killed_goes_on_and_no_prompt_is_answered_twice(
    plain: Guard,
    guard: Guard,
    data: tuple[list[Prompt], list[Prompt]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[Prompt] = []

    def killed_later(model: LanguageModel, prompts: Sequence[Prompt], **settings: Any) -> Behaviour:
        if answered and not killed:
            killed.append(True)
            raise KeyboardInterrupt
        found = observe(model, prompts, **settings)
        answered.extend(prompts)
        return found

    killed: list[bool] = []
    monkeypatch.setattr(made, "observe", killed_later)
    monkeypatch.setattr(kept, "AT_ONCE", 48)
    fit = partial(plain.fit_answers, *data, target_fpr=0.05, max_new_tokens=80, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit()
    assert len(answered) == 48
    found = fit()
    once = guard.manifest.answers
    assert found.manifest.answers is not None
    assert once is not None
    assert len(answered) == len({id(one) for one in answered}) >= once.false_cuts.n + once.caught.n
    assert found.manifest.answers.train == once.train
    assert found.manifest.answers.validation == once.validation
    assert found.manifest.answers.high == pytest.approx(once.high, rel=1e-3)
    before = len(answered)
    assert fit().manifest == found.manifest
    assert len(answered) == before
    assert fit(seed=1).manifest.answers != found.manifest.answers
    assert len(answered) > before


def test_it_is_saved_and_read_again(guard: Guard, organism: LanguageModel, tmp_path: Path) -> None:
    guard.save(tmp_path / "guard")
    again = Guard.load(tmp_path / "guard", organism)
    assert again.manifest.answers == guard.manifest.answers
    states = torch.randn(3, len(guard.answers.slots), organism.hidden_size)
    assert again.answers.read(states) == guard.answers.read(states)


def test_a_folder_without_the_centroids_is_refused(guard: Guard, tmp_path: Path) -> None:
    kept = {name: one for name, one in guard.tensors.items() if name != "answers.harmfulness.positive"}
    replace(guard, tensors=kept).save(tmp_path / "guard")
    with pytest.raises(ArtefactMismatch, match=r"answers\.harmfulness\.positive should be"):
        Guard.load(tmp_path / "guard", guard.model)


def test_without_it_beliefs_are_read_and_nothing_is_ever_cut(plain: Guard) -> None:
    assert plain.answers.trigger() is None
    assert plain.answers.fitted is None
    states = torch.randn(2, len(plain.answers.slots), plain.model.hidden_size)
    for one in plain.answers.read(states):
        assert -2 <= one.harmfulness <= 2


def test_too_few_harmless_prompts_for_the_target_are_refused_before_anything_runs(
    plain: Guard, data: tuple[list[Prompt], list[Prompt]]
) -> None:
    with pytest.raises(TooFewPrompts, match="takes 99 of them"):
        plain.fit_answers(*data, target_fpr=0.01)


def test_a_model_that_answers_no_harmful_prompt_teaches_nothing(plain: Guard) -> None:
    harmful, harmless = audit_data()
    refused = [one for one in harmful if one.attack is None and "direct" in (one.source or "")][:60]
    with pytest.raises(TooFewPrompts, match="accepted_harmful"):
        plain.fit_answers(refused, harmless[:80], target_fpr=0.05, max_new_tokens=8)


def test_a_guard_that_does_not_tell_what_it_was_fitted_on_goes_on_not_telling(plain: Guard) -> None:
    """As one that was published without hashes: some of them would pass for all."""
    record = FittedAnswers.model_construct()
    silent = plain.manifest.model_copy(update={"data": plain.manifest.data.model_copy(update={"seen": ()})})
    learned = audit_data()[0][61:64]
    assert with_answers(silent, record, learned).data.seen == ()
    assert set(with_answers(plain.manifest, record, learned).data.seen) > set(plain.manifest.data.seen)


def test_long_answers_are_asked_of_harmless_prompts_alone(plain: Guard) -> None:
    with pytest.raises(ValueError, match="between 1 and 64"):
        observe(plain.model, audit_data()[0][:1], max_new_tokens=65)
    assert observe(plain.model, audit_data()[1][:1], max_new_tokens=65).max_new_tokens == 65
