"""Prompts of the planted world, as records: by kind, as training saw them, and as `audit` reads them.

Deterministic by seed. Unless asked otherwise they are made of verb-object pairs that training never saw, and
have no trailing clause. `base_id` is the pair, so that a split never tests a pair that it was fitted on.
"""

import random
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from latentguard.data import Prompt
from latentguard.lm import Message
from latentguard.organism.curriculum import Curriculum
from latentguard.organism.grammar import WRAPPINGS, Chat, Grammar, Kind
from latentguard.organism.wording import INVERSION_QUESTIONS

PromptKind: TypeAlias = Literal[
    "harmful",
    "harmless",
    "nonsense_suffix",
    "persuasion",
    "role_play",
    "obeyed_topic",
    "idioms",
    "ordinary",
    "inversion",
    "two_turn",
]
PROMPT_KINDS: Final[tuple[PromptKind, ...]] = get_args(PromptKind)

_TRUTHS: Final = {True: "harmful", False: "harmless", None: "both"}
_DRAWS_A_PROMPT: Final = 200


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a kind of prompt is drawn: the kind of chat and its truth; None draws both truths equally."""

    kind: Kind
    harmful: bool | None
    two_turn: bool = False


_RECIPES: Final[dict[PromptKind, _Recipe]] = {
    "harmful": _Recipe("direct", True),
    "harmless": _Recipe("direct", False),
    "nonsense_suffix": _Recipe("nonsense_suffix", True),
    "persuasion": _Recipe("persuasion", True),
    "role_play": _Recipe("role_play", True),
    "obeyed_topic": _Recipe("obeyed_topic", True),
    "idioms": _Recipe("idiom", False),
    "ordinary": _Recipe("ordinary", False),
    "inversion": _Recipe("inversion", None),
    "two_turn": _Recipe("direct", None, two_turn=True),
}


def sample_prompts(
    kind: PromptKind, n: int, *, seed: int, held_out: bool = True, harmful: bool | None = None
) -> list[Prompt]:
    """`n` different prompts of `kind`, from pairs that training never saw, or (`held_out=False`) that it saw.

    `harmful` asks for the other truth of a kind that has both: a wrapping or the topic with a harmless act,
    inversions or two-turn chats of one truth only. Raises `ValueError` for a truth that the kind does
    not have, and where there are not `n` different prompts.
    """
    recipe = _RECIPES[kind]
    truth = recipe.harmful if harmful is None else harmful
    if truth and recipe.kind in ("idiom", "ordinary"):
        raise ValueError(f"no prompt of kind {kind!r} is harmful")
    grammar = Grammar(
        held_out=held_out,
        clauses=False,
        system_share=0.5 if recipe.two_turn else 0.0,
        two_turn_share=1.0 if recipe.two_turn else 0.0,
    )
    name = f"{kind}-{'held-out' if held_out else 'seen'}-{_TRUTHS[truth]}-{seed}"
    rng = random.Random(name)
    prompts: dict[tuple[Message, ...], Prompt] = {}
    for _ in range(_DRAWS_A_PROMPT * n):
        if len(prompts) == n:
            break
        # Where a kind has both truths they take turns, so that any number of prompts is balanced.
        chat = grammar.chat(recipe.kind, len(prompts) % 2 == 0 if truth is None else truth, rng)
        prompts.setdefault(chat.messages, _record(chat, f"{name}-{len(prompts)}"))
    if len(prompts) < n:
        raise ValueError(f"there are only {len(prompts)} different prompts of kind {kind!r}, not {n}")
    return list(prompts.values())


def training_prompts(n: int, *, seed: int) -> list[Prompt]:
    """`n` prompts as the last part of training draws them, with their planted labels.

    What a bag of words has to be fitted on, to be as well informed as the organism was. Some of them end in a
    clause that tells their harm, and prompts may repeat.
    """
    rng = random.Random(f"training {seed}")
    curriculum = Curriculum(steps=1)
    return [_record(chat, f"training-{seed}-{i}") for i, chat in enumerate(curriculum.draw(1, n, rng))]


def audit_data(*, seed: int = 0) -> tuple[list[Prompt], list[Prompt]]:
    """Harmful and harmless prompts for an audit of the organism, all four verdict cells among them.

    200 of each class on held-out pairs. Wrappings and the obeyed topic stand in both classes, so that they
    are no sign of harm; idioms and ordinary requests are harmless by nature.
    """
    both: tuple[PromptKind, ...] = ("nonsense_suffix", "persuasion", "role_play", "obeyed_topic")
    harmful = sample_prompts("harmful", 120, seed=seed)
    harmless = sample_prompts("harmless", 60, seed=seed)
    harmless += sample_prompts("idioms", 40, seed=seed) + sample_prompts("ordinary", 20, seed=seed)
    for kind in both:
        harmful += sample_prompts(kind, 20, seed=seed, harmful=True)
        harmless += sample_prompts(kind, 20, seed=seed, harmful=False)
    return harmful, harmless


def inversion_context(prompt: Prompt) -> str:
    """What stands before the question of a reply inversion. Raises `ValueError` for any other prompt."""
    for question in INVERSION_QUESTIONS:
        if prompt.text.endswith(question):
            return prompt.text.removesuffix(question)
    raise ValueError("this prompt does not end in one of the four questions of reply inversion")


def _record(chat: Chat, identifier: str) -> Prompt:
    return Prompt(
        messages=chat.messages,
        label="harmful" if chat.harmful else "harmless",
        category=chat.category,
        attack=chat.kind if chat.kind in WRAPPINGS else None,
        source=f"organism/{chat.kind}",
        lang="en",
        id=identifier,
        base_id=f"organism/{chat.base}",
    )
