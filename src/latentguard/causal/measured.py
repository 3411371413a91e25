"""What chosen edits turn on prompts they were not chosen on, beside directions that mean nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int
from torch import Tensor

from latentguard.causal import effects
from latentguard.causal.answers import AFFIRMED, DENIED, UNANSWERED
from latentguard.causal.arms import Arm
from latentguard.causal.cost import Cost
from latentguard.causal.place import TRUE_ANSWER, Place
from latentguard.causal.records import Controls, Effect, Price, Sign, Spoken
from latentguard.causal.sweep import Attempt, Outcomes
from latentguard.lm import LanguageModel

WORDS: Final = 8
"""Beginnings of replies that are told."""


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """One place with its attempts: the edit, and the control directions there, if it has any."""

    place: Place
    edit: Attempt
    random: tuple[Attempt, ...] = ()
    shuffled: tuple[Attempt, ...] = ()
    permuted: tuple[Attempt, ...] = ()

    @classmethod
    def at(
        cls,
        place: Place,
        random: Sequence[Arm] = (),
        shuffled: Sequence[Arm] = (),
        permuted: Sequence[Arm] = (),
    ) -> "Tried":
        """`place` and these controls at it."""
        controls = (tuple(place.attempt(arm) for arm in arms) for arms in (random, shuffled, permuted))
        return cls(place, place.attempt(), *controls)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return (self.edit, *self.random, *self.shuffled, *self.permuted)


def spoken(
    said: Int[Tensor, " prompt"], first: Int[Tensor, " prompt"], answers_of: LanguageModel | None
) -> Spoken:
    """How many answered how; where `answers_of` this model are told, too, with which words."""
    counts = {answer: int((said == answer).sum()) for answer in (AFFIRMED, DENIED, UNANSWERED)}
    words: Counter[str] = Counter()
    if answers_of is not None:
        words.update(answers_of.tokenizer.decode([token]) for token in first.tolist())
    return Spoken(
        affirmed=counts[AFFIRMED],
        denied=counts[DENIED],
        unanswered=counts[UNANSWERED],
        words=tuple(words.most_common(WORDS)),
    )


def effect(
    tried: Tried,
    outcomes: Outcomes,
    sign: Sign,
    prices: Mapping[int, Price],
    *,
    seed: int,
    answers_of: LanguageModel | None = None,
) -> Effect:
    """The record of one place. `prices`: of edits, by the identity of their attempt. `answers_of`: see
    `spoken`."""
    answered = TRUE_ANSWER[sign]
    turned = outcomes.turned(tried.edit, answered)

    def beside(controls: Sequence[Attempt]) -> Controls | None:
        return controls_of(outcomes, tried.edit, controls, answered, seed=seed)

    return Effect(
        arm=tried.place.arm.name,
        sign=sign,
        block=tried.place.block,
        scale=tried.place.scale,
        scope=tried.place.arm.scope,
        chosen=tried.place.chosen,
        turned=effects.share(turned),
        before=spoken(outcomes.unedited, outcomes.first_unedited, answers_of),
        after=spoken(outcomes.under(tried.edit), outcomes.begun(tried.edit), answers_of),
        random=beside(tried.random),
        shuffled=beside(tried.shuffled),
        permuted=beside(tried.permuted),
        price=prices.get(id(tried.edit)),
    )


def controls_of(
    outcomes: Outcomes, edit: Attempt, controls: Sequence[Attempt], answered: int, *, seed: int
) -> Controls | None:
    """What `controls` turn of the prompts answered `answered`, beside `edit`; None for no control."""
    if not controls:
        return None
    turned = outcomes.turned(edit, answered)
    by_controls = np.stack([outcomes.turned(one, answered) for one in controls])
    empty = by_controls.size == 0
    return Controls(
        directions=len(by_controls),
        mean=None if empty else float(by_controls.mean()),
        worst=None if empty else float(by_controls.mean(axis=1).max()),
        above=effects.above(turned, by_controls, seed=seed),
    )


def prices(found: Cost, tried: Sequence[Tried]) -> dict[int, Price]:
    """The price of each edit, with the mean of the random directions that were priced beside it."""
    column = {id(attempt): number for number, attempt in enumerate(found.attempts)}
    made: dict[int, Price] = {}
    for one in tried:
        of_random = [float(found.kl[column[id(attempt)]]) for attempt in one.random if id(attempt) in column]
        made[id(one.edit)] = Price(
            kl=float(found.kl[column[id(one.edit)]]),
            perplexity=float(found.perplexity[column[id(one.edit)]]),
            perplexity_unedited=found.unedited,
            kl_of_random=sum(of_random) / len(of_random) if of_random else None,
            texts=found.texts,
        )
    return made
