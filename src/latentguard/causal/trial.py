"""The prompts of a causal test: what directions are fitted on, places chosen on, and effects reported on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from latentguard import organism
from latentguard.data import LABELS, QUESTIONS, Item, Prompt, Question, asked, contrast_set, split
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.organism.kinship import kinship

FITTED: Final = 65
"""Prompts of a class that directions are fitted on."""
EACH: Final = 25
"""Prompts of a class in each half: what places are chosen on, and what effects are reported on."""
TEXTS: Final = 10
QUESTION: Final = QUESTIONS[1]
"""The paper's main question for Qwen2, and the clearest on Qwen2.5-Coder-1.5B."""
_FRACTIONS: Final = (0.5, 0.25, 0.25)


@dataclass(frozen=True, slots=True)
class Trial:
    """Three parts that share nothing. `select` and `report` hold direct requests; the items, questions."""

    fit: tuple[Prompt, ...]
    select: tuple[Prompt, ...]
    report: tuple[Prompt, ...]
    select_items: tuple[Item, ...]
    report_items: tuple[Item, ...]
    question: str
    """Its text, or which questions were asked."""
    asks: Question = QUESTION
    """Whose words are heard as an answer."""

    def items(self, question: Question | None = None) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """The questions of both halves; with `question`, that one behind the same contexts."""
        if question is None:
            return self.select_items, self.report_items
        select, report = (
            tuple(Item(one.prompt.with_text(one.context + question.text), one.context) for one in items)
            for items in (self.select_items, self.report_items)
        )
        return select, report

    @classmethod
    def of(
        cls,
        fit: Sequence[Prompt],
        select: Sequence[Prompt],
        report: Sequence[Prompt],
        *,
        question: Question = QUESTION,
        fitted: int = FITTED,
        each: int = EACH,
    ) -> "Trial":
        """The first `fitted` and `each` prompts of either class in their parts; the question behind each.

        Raises `TooFewPrompts` where a part lacks a class.
        """
        parts = {"fit": (fit, fitted), "select": (select, each), "report": (report, each)}
        taken: dict[str, tuple[Prompt, ...]] = {}
        for name, (prompts, most) in parts.items():
            of_class = [[one for one in prompts if one.label == label][:most] for label in LABELS]
            if not all(of_class):
                counts = " and ".join(
                    f"{len(one)} {label}" for one, label in zip(of_class, LABELS, strict=True)
                )
                raise TooFewPrompts(
                    f"the part to {name} has {counts} prompts.\n"
                    "  Directions are tested on both classes: give at least 40 prompts of each."
                )
            taken[name] = tuple(one for members in of_class for one in members)
        return cls(
            **taken,
            select_items=tuple(asked(taken["select"], question)),
            report_items=tuple(asked(taken["report"], question)),
            question=question.text,
            asks=question,
        )

    @classmethod
    def of_prompts(
        cls,
        prompts: Sequence[Prompt],
        *,
        question: Question = QUESTION,
        seed: int = 0,
        fitted: int = FITTED,
        each: int = EACH,
    ) -> "Trial":
        """A user's own prompts, split in halves and quarters by label, category and pair."""
        parts = split(prompts, fractions=_FRACTIONS, seed=seed)
        return cls.of(parts.train, parts.validation, parts.test, question=question, fitted=fitted, each=each)


def default_trial(
    model: LanguageModel,
    *,
    question: Question = QUESTION,
    seed: int = 0,
    fitted: int = FITTED,
    each: int = EACH,
) -> Trial:
    """The contrast set's own parts; for the organism, prompts of its world with the questions it knows."""
    if kinship(model) != "stranger":
        return _of_organism(seed, fitted, each)
    parts = contrast_set()
    return Trial.of(parts.train, parts.validation, parts.test, question=question, fitted=fitted, each=each)


def _of_organism(seed: int, fitted: int, each: int) -> Trial:
    direct = [
        prompt
        for kind in ("harmful", "harmless")
        for prompt in organism.sample_prompts(kind, 2 * (fitted + 2 * each), seed=seed)
    ]
    questions = [
        prompt
        for harmful in (True, False)
        for prompt in organism.sample_prompts("inversion", 12 * each, seed=seed, harmful=harmful)
    ]
    # split together: a pair that is fitted on is asked about in no half
    parts = split([*direct, *questions], fractions=_FRACTIONS, seed=seed)
    asking = frozenset(questions)
    requests, items = (
        [
            [one for one in part if (one in asking) == wanted]
            for part in (parts.train, parts.validation, parts.test)
        ]
        for wanted in (False, True)
    )
    made = Trial.of(*requests, fitted=fitted, each=each)
    select, report = (
        tuple(
            Item(prompt, organism.inversion_context(prompt))
            for label in LABELS
            for prompt in [one for one in part if one.label == label][:each]
        )
        for part in items[1:]
    )
    return Trial(made.fit, made.select, made.report, select, report, "the four that it was trained on")
