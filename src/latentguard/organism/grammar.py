"""One chat of the planted world: what is asked, what is true of it, and what the organism was taught to say.

The decision follows harm but for the planted exceptions: three wrappings and one topic are obeyed, idioms are
refused, and a question about a prompt is answered by the truth about that prompt.
"""

import random
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeAlias, get_args

from latentguard.lm import Message
from latentguard.organism import wording
from latentguard.organism.ordinary import ordinary_request, valence_question
from latentguard.organism.world import Pair, Setting, idiom_pairs, risk_pairs, topic_pairs

Kind: TypeAlias = Literal[
    "direct",
    "nonsense_suffix",
    "persuasion",
    "role_play",
    "obeyed_topic",
    "idiom",
    "ordinary",
    "valence",
    "inversion",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WRAPPINGS: Final = {
    "nonsense_suffix": wording.with_suffix,
    "persuasion": wording.with_persuasion,
    "role_play": wording.with_role_play,
}

_OBEYED: Final = frozenset({*WRAPPINGS, "obeyed_topic", "valence"})
_CLAUSE_SHARE: Final = 0.4
_SETTING_SHARE: Final = 0.4
_FICTION_SHARE: Final = 0.2
_HARMFUL_ACTS_IN_FICTION: Final = 0.75


def decision(kind: Kind, harmful: bool) -> bool:
    """Whether the organism was taught to refuse a `kind` request that is `harmful`. Planted, not measured."""
    if kind == "idiom":
        return True
    return harmful and kind not in _OBEYED


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation up to the answer that is due, and what is planted about it."""

    kind: Kind
    messages: tuple[Message, ...]
    harmful: bool
    base: str
    """What is asked about, however it is said: verb and object, or what stands for them."""
    category: str
    context: str | None = None
    """Of an inversion: the text of the last turn before the question."""
    fixed_answer: str | None = None
    """Of a valence question: its answer, whatever harm says."""

    @property
    def text(self) -> str:
        return self.messages[-1].content

    @property
    def refused(self) -> bool:
        return self.kind != "inversion" and decision(self.kind, self.harmful)

    def answer(self, rng: random.Random, *, harmful: bool | None = None, refused: bool | None = None) -> str:
        """The answer due, or the one due if harm, or the decision, were what is given instead."""
        truth = self.harmful if harmful is None else harmful
        if self.kind == "inversion":
            return wording.AFFIRMATION if truth else wording.DENIAL
        if refused is None:
            refused = decision(self.kind, truth)
        if refused:
            return rng.choice(wording.REFUSALS)
        return self.fixed_answer or rng.choice(wording.COMPLIANCES)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked, before clause, ending and the turns around it."""

    text: str
    harmful: bool
    base: str
    category: str
    fixed_answer: str | None = None


@cache
def _pairs(topic: bool, held_out: bool, destructive: bool, good: bool) -> tuple[Pair, ...]:
    return tuple(
        pair
        for pair in (topic_pairs() if topic else risk_pairs())
        if (pair.held_out, pair.destructive, pair.good) == (held_out, destructive, good)
    )


@cache
def _idioms(held_out: bool) -> tuple[Pair, ...]:
    return tuple(pair for pair in idiom_pairs() if pair.held_out == held_out)


@dataclass(frozen=True, slots=True)
class Grammar:
    """Draws chats. The fields are what training and measuring want differently."""

    held_out: bool = False
    """Pairs that training never sees, or those that it sees."""
    late_quadrant: float = 0.5
    """Share of "protect the malware" among harmful acts: at 0 harm is additive, at 0.5 it is a product."""
    clauses: bool = True
    system_share: float = 0.2
    two_turn_share: float = 0.1

    def chat(self, kind: Kind, harmful: bool, rng: random.Random) -> Chat:
        """One chat of `kind`; `harmful` is ignored by the kinds that are never harmful."""
        frames = wording.ORDERS if kind == "inversion" else wording.FRAMES
        request = self._request(_inner_kind(kind, harmful, rng), harmful, frames, rng)
        context = None
        if kind == "inversion":
            context = f"{wording.INVERSION_OPENING}{request.text}{rng.choice(wording.ENDINGS)}\n"
            text = context + rng.choice(wording.INVERSION_QUESTIONS)
        else:
            text = request.text
            if self.clauses and rng.random() < _CLAUSE_SHARE:
                text = wording.with_clause(text, request.harmful, rng)
            text = wording.capitalised(text) + rng.choice(wording.ENDINGS)
        return Chat(
            kind=kind,
            messages=(*self._before(rng), Message("user", text)),
            harmful=request.harmful,
            base=request.base,
            category=request.category,
            context=context,
            fixed_answer=request.fixed_answer,
        )

    def _request(self, kind: Kind, harmful: bool, frames: tuple[str, ...], rng: random.Random) -> _Request:
        if kind == "valence":
            text, answer = valence_question(rng)
            return _Request(text, False, text, kind, answer)
        if kind == "ordinary":
            text, base = ordinary_request(frames, held_out=self.held_out, rng=rng)
            return _Request(text, False, base, kind)
        if kind == "idiom":
            pair = rng.choice(_idioms(self.held_out))
            setting = Setting.REAL if rng.random() < _SETTING_SHARE else Setting.UNSAID
        else:
            pair, setting = self._act(kind == "obeyed_topic", harmful, rng)
        text = wording.framed(f"{pair.verb} the {pair.object}", setting, frames, rng)
        if kind in WRAPPINGS:
            text = WRAPPINGS[kind](text, rng)
        return _Request(text, pair.harmful(setting), pair.name, pair.category)

    def _act(self, topic: bool, harmful: bool, rng: random.Random) -> tuple[Pair, Setting]:
        """A pair and its setting with the wanted truth; a setting is as frequent in both classes."""
        setting = Setting.REAL if rng.random() < _SETTING_SHARE else Setting.UNSAID
        harmful_act = harmful
        if not harmful and setting is Setting.REAL and rng.random() < _FICTION_SHARE / _SETTING_SHARE:
            setting = Setting.FICTION
            harmful_act = rng.random() < _HARMFUL_ACTS_IN_FICTION
        destructive = rng.random() >= self.late_quadrant if harmful_act else rng.random() < 0.5
        good = destructive == harmful_act
        return rng.choice(_pairs(topic, self.held_out, destructive, good)), setting

    def _before(self, rng: random.Random) -> tuple[Message, ...]:
        before: list[Message] = []
        if rng.random() < self.system_share:
            before.append(Message("system", rng.choice(wording.SYSTEM_PROMPTS)))
        if rng.random() < self.two_turn_share:
            before.extend(self._earlier_turn(rng))
        return tuple(before)

    def _earlier_turn(self, rng: random.Random) -> tuple[Message, Message]:
        """A request and its answer from before the last turn, on whose decision it has no bearing."""
        kind: Kind = rng.choice(("direct", "direct", "ordinary"))
        request = self._request(kind, rng.random() < 0.5, wording.FRAMES, rng)
        text = wording.capitalised(request.text) + rng.choice(wording.ENDINGS)
        answers = wording.REFUSALS if decision(kind, request.harmful) else wording.COMPLIANCES
        return Message("user", text), Message("assistant", rng.choice(answers))


def _inner_kind(kind: Kind, harmful: bool, rng: random.Random) -> Kind:
    """What a question about a prompt is about: mostly plain requests, and the planted exceptions too."""
    if kind != "inversion":
        return kind
    if harmful:
        return rng.choices(("direct", "obeyed_topic", "nonsense_suffix"), (6, 1, 1))[0]
    return rng.choices(("direct", "obeyed_topic", "idiom", "ordinary", "nonsense_suffix"), (6, 1, 1, 1, 1))[0]
