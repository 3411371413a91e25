"""What a guard is fitted and chosen on: labelled prompts in two parts that share nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from jaxtyping import Bool
from torch import Tensor

from latentguard._text import inert
from latentguard.data import Label, Prompt, Split, split
from latentguard.data.contrast import contrast_set
from latentguard.errors import BadData, TooFewPrompts
from latentguard.guard.choice import mask
from latentguard.guard.relatives import text_hash
from latentguard.lm import Conversation, Message

Promptlike: TypeAlias = Prompt | Conversation

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
        _check_apart((*self.train, *self.validation))


def fitting_data(
    harmful: Sequence[Promptlike] | Split | None,
    harmless: Sequence[Promptlike] | None,
    validation: Sequence[Prompt] | None,
    *,
    seed: int,
) -> FittingData:
    """The two parts, from two lists, from a `Split`, or by default from the package's own contrast set.

    Without `validation`, two lists are split 70 to 30 with pairs and equal texts kept together. The test part
    of a `Split` is never looked at. Raises `TooFewPrompts` where a class is missing, `BadData` where a text
    is in both classes or a prompt's own label is not its list's, `ValueError` where the arguments make no
    sense.
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
        return FittingData(tuple(labelled), _labelled(labelled_prompts(validation, "validation")))
    parts = split(labelled, fractions=(1 - VALIDATION_SHARE, VALIDATION_SHARE, 0.0), seed=seed)
    return FittingData(tuple(parts.train), tuple(parts.validation))


def prompts_of(given: Sequence[Promptlike], label: Label | None = None) -> list[Prompt]:
    """Strings and conversations as prompts; with `label`, every one of them under that label.

    Raises `ValueError` for one prompt in place of a list, `BadData` where a prompt's own label is another.
    """
    check_list(given)
    prompts = [one if isinstance(one, Prompt) else Prompt.of(one) for one in given]
    if label is None:
        return prompts
    contradicting = [prompt for prompt in prompts if prompt.label not in (None, label)]
    if contradicting:
        raise BadData(
            f"{len(contradicting)} of the {len(prompts)} prompts given as {label} carry the other label.\n"
            f"  the first: {inert(contradicting[0].text, limit=80)!r}\n"
            "  Give each prompt in the list of its own label, or take the label off it."
        )
    return [replace(prompt, label=label) for prompt in prompts]


def labelled_prompts(given: Iterable[object], what: str) -> list[Prompt]:
    """The same, a list of prompts that can carry a label. Raises `ValueError` for anything else."""
    check_list(given)
    everything = list(given)
    prompts = [one for one in everything if isinstance(one, Prompt)]
    if len(prompts) < len(everything):
        raise ValueError(f"{what} prompts carry labels: give each as Prompt.of(text, label='harmful')")
    return prompts


def check_list(given: object) -> None:
    """Raises `ValueError` where one prompt stands in place of a list of prompts."""
    if isinstance(given, (str, Prompt)):
        raise ValueError("one prompt was given in place of a list of prompts: put it in a list, [prompt]")
    if isinstance(given, Sequence) and any(isinstance(one, (Message, Mapping)) for one in given):
        raise ValueError("one conversation was given in place of a list of prompts: put it in a list")


def is_harmful(prompts: Iterable[Prompt]) -> Bool[Tensor, " prompt"]:
    """Which of some labelled prompts are harmful."""
    return mask(prompt.label == "harmful" for prompt in prompts)


def _check_apart(prompts: Iterable[Prompt]) -> None:
    """Raises `BadData` where a text is in both classes: no line parts it from itself."""
    texts: dict[str, dict[str, str]] = {"harmful": {}, "harmless": {}}
    for prompt in prompts:
        if prompt.label is not None:
            texts[prompt.label][text_hash(prompt)] = prompt.text
    shared = [text for mark, text in texts["harmful"].items() if mark in texts["harmless"]]
    if shared:
        raise BadData(
            f"{len(shared)} texts are among the harmful and also among the harmless prompts, case, white "
            f"space and ending left aside.\n  the first: {inert(shared[0], limit=80)!r}\n"
            "  Leave each out of the class that it does not belong to."
        )


def _labelled(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    return tuple(prompt for prompt in prompts if prompt.label is not None)
