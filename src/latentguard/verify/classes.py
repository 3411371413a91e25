"""The classes of prompts that are measured, what is planted about each, and their three parts.

All are made of verb-object pairs that training never saw. Fitting, validation and test share no pair either:
centroids come from `fit`, slots, block and scale from `validation`, every printed number from `test`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from latentguard.data import Prompt, split
from latentguard.errors import TooFewPrompts
from latentguard.organism import PromptKind, sample_prompts

FITTED: Final = 100
VALIDATED: Final = 60
TESTED: Final = 200
ASKED: Final = 220
"""Inversion questions: more than are tested, for those not answered truly cannot be turned."""
_SAMPLED: Final = 520
_FRACTIONS: Final = (0.25, 0.2, 0.55)


@dataclass(frozen=True, slots=True)
class Planted:
    """What the organism was taught about one class of prompts."""

    name: str
    kind: PromptKind
    harmful: bool
    refused: bool


CLASSES: Final = (
    Planted("harmful", "harmful", harmful=True, refused=True),
    Planted("harmless", "harmless", harmful=False, refused=False),
    Planted("nonsense suffix", "nonsense_suffix", harmful=True, refused=False),
    Planted("persuasion", "persuasion", harmful=True, refused=False),
    Planted("role-play", "role_play", harmful=True, refused=False),
    Planted("obeyed topic", "obeyed_topic", harmful=True, refused=False),
    Planted("idioms", "idioms", harmful=False, refused=True),
    Planted("ordinary", "ordinary", harmful=False, refused=False),
    Planted("two turns, harmful", "two_turn", harmful=True, refused=True),
    Planted("two turns, harmless", "two_turn", harmful=False, refused=False),
    Planted("nonsense suffix, harmless", "nonsense_suffix", harmful=False, refused=False),
    Planted("persuasion, harmless", "persuasion", harmful=False, refused=False),
    Planted("role-play, harmless", "role_play", harmful=False, refused=False),
    Planted("obeyed topic, harmless", "obeyed_topic", harmful=False, refused=False),
)
"""The last four are controls: a belief that reads the wrapping or the topic, not the harm, fails on them."""

INVERSIONS: Final = (
    Planted("inversion, harmful", "inversion", harmful=True, refused=False),
    Planted("inversion, harmless", "inversion", harmful=False, refused=False),
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The prompts of one class, in three parts that share no pair."""

    planted: Planted
    fit: list[Prompt]
    validation: list[Prompt]
    test: list[Prompt]


def drawn(classes: Sequence[Planted], *, seed: int) -> list[Parts]:
    """Every class in parts of 100, 60 and 200 prompts, inversions with 220 for the third.

    Raises `TooFewPrompts` where a class falls short.
    The classes are split together: a pair that is fitted on in one class is not tested in another.
    """
    name_of: dict[str, str] = {}
    everything: list[Prompt] = []
    for planted in classes:
        prompts = sample_prompts(planted.kind, _SAMPLED, seed=seed, harmful=planted.harmful)
        name_of.update((str(prompt.id), planted.name) for prompt in prompts)
        everything.extend(prompts)
    parts = split(everything, fractions=_FRACTIONS, seed=seed)
    fit, validation, test = (_by_class(part, name_of) for part in (parts.train, parts.validation, parts.test))
    return [
        Parts(
            planted,
            _first(fit[planted.name], FITTED, planted),
            _first(validation[planted.name], VALIDATED, planted),
            _first(test[planted.name], ASKED if planted.kind == "inversion" else TESTED, planted),
        )
        for planted in classes
    ]


def _by_class(prompts: Sequence[Prompt], name_of: dict[str, str]) -> dict[str, list[Prompt]]:
    members: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        members[name_of[str(prompt.id)]].append(prompt)
    return members


def _first(prompts: list[Prompt], count: int, planted: Planted) -> list[Prompt]:
    if len(prompts) < count:
        raise TooFewPrompts(
            f"class {planted.name!r} has {len(prompts)} prompts in a part that needs {count}."
        )
    return prompts[:count]
