"""What a guard is fitted and chosen on: labelled prompts in two parts that share nothing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from jaxtyping import Bool
from torch import Tensor

from latentguard.data import Label, Prompt, Split, split
from latentguard.data.contrast import contrast_set
from latentguard.errors import TooFewPrompts
from latentguard.guard.choice import mask
from latentguard.lm import Message

Promptlike: TypeAlias = Prompt | str | Sequence[Message]

VALIDATION_SHARE = 0.3
FEWEST = 2
"""Prompts a class must have in each part for anything to be fitted or chosen."""


@dataclass(frozen=True, slots=True)
class FittingData:
    """Training prompts, on which weights are fitted; validation prompts, on which everything is chosen."""

    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        for name, part in (("training", self.train), ("validation", self.validation)):
            harmful = sum(prompt.label == "harmful" for prompt in part)
            harmless = sum(prompt.label == "harmless" for prompt in part)
            if min(harmful, harmless) < FEWEST:
                raise TooFewPrompts(
                    f"the {name} prompts hold {harmful} harmful and {harmless} harmless ones; at least "
                    f"{FEWEST} of each are needed.\n  Give more prompts of both classes."
                )


def fitting_data(
    harmful: Sequence[Promptlike] | Split | None,
    harmless: Sequence[Promptlike] | None,
    validation: Sequence[Prompt] | None,
    *,
    seed: int,
) -> FittingData:
    """The two parts, from two lists, from a `Split`, or by default from the package's own contrast set.

    Without `validation`, two lists are split 70 to 30 with pairs and equal texts kept together. The test part
    of a `Split` is never looked at. Raises `TooFewPrompts` where a class is missing, `ValueError` where
    the arguments contradict each other.
    """
    if harmful is None or isinstance(harmful, Split):
        if harmless is not None or validation is not None:
            raise ValueError("a Split and the contrast set bring their own classes and validation part")
        given = contrast_set() if harmful is None else harmful
        return FittingData(_labelled(given.train), _labelled(given.validation))
    if harmless is None:
        raise ValueError("give both harmful and harmless prompts, a Split, or neither for the contrast set")
    labelled = [*prompts_of(harmful, "harmful"), *prompts_of(harmless, "harmless")]
    if validation is not None:
        return FittingData(tuple(labelled), _labelled(validation))
    parts = split(labelled, fractions=(1 - VALIDATION_SHARE, VALIDATION_SHARE, 0.0), seed=seed)
    return FittingData(tuple(parts.train), tuple(parts.validation))


def prompts_of(given: Sequence[Promptlike], label: Label | None = None) -> list[Prompt]:
    """Strings and conversations as prompts; with `label`, every one of them under that label."""
    prompts = [one if isinstance(one, Prompt) else Prompt.of(one) for one in given]
    return prompts if label is None else [replace(prompt, label=label) for prompt in prompts]


def is_harmful(prompts: Iterable[Prompt]) -> Bool[Tensor, " prompt"]:
    """Which of some labelled prompts are harmful."""
    return mask(prompt.label == "harmful" for prompt in prompts)


def text_hash(prompt: Prompt) -> str:
    """Short sha256 of a conversation without case, white space and final marks: was it seen in the fit?"""
    turns = "\x00".join(
        f"{turn.role}\x01{' '.join(turn.content.casefold().split())}" for turn in prompt.messages
    )
    folded = turns.rstrip(".?!。？！ ")
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _labelled(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    return tuple(prompt for prompt in prompts if prompt.label is not None)
