"""A model of rules in place of a network: what each edit does to each part of the prompts is written down.

Its harmfulness direction lies along the first axis of its hidden space, its refusal direction along the
second; any other direction counts as random. So a test can say "v_refuse at block 3 turns half of the test
questions" and see what the lines make of it.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from latentguard._progress import Progress, silent
from latentguard.beliefs import Centroids, Reading
from latentguard.data import Prompt
from latentguard.lm import AddDirection, Edit, Generation, LanguageModel, Message, Rendered
from latentguard.organism import PromptKind, inversion_context, sample_prompts
from latentguard.verify.classes import Parts, Planted

N_BLOCKS = 4
BLOCKS = (1, 2, 3)
"""Those that are edited: all but the first."""
HIDDEN = 6

Part = Literal["validation", "test"]
Effect = Callable[[Part, int, float], float]
"""The share of a part that an edit turns, by part, block and scale."""


def always(part: Part, block: int, scale: float) -> float:
    return 1.0


def never(part: Part, block: int, scale: float) -> float:
    return 0.0


@dataclass(frozen=True)
class Rules:
    """What is answered truly without an edit, and what each kind of edit turns; by default as planted."""

    harmful_truly: Callable[[Part], float] = lambda part: 1.0
    harmless_truly: Callable[[Part], float] = lambda part: 1.0
    harm_turns_up: Effect = always
    harm_turns_down: Effect = always
    refusal_turns: Effect = never
    refusal_refuses: Effect = always
    random_turns_up: Callable[[int], float] = lambda number: 0.0
    """By the number of the direction, in the order in which they are tried."""
    random_turns_down: Callable[[int], float] = lambda number: 0.0


@dataclass(frozen=True)
class Case:
    """One prompt by its place: the first prompts of a part are those that turn."""

    harmful: bool
    part: Part
    quantile: float
    """In (0, 1): turned where it is below the share that turns."""


class Pretender(LanguageModel):
    """Answers by `rules`. It borrows template and tokenizer from a real model and runs no network."""

    def __init__(self, borrowed: LanguageModel, rules: Rules, classes: Sequence[Parts]) -> None:
        self.rules = rules
        self.chat, self.tokenizer = borrowed.chat, borrowed.tokenizer
        self._edit: AddDirection | None = None
        self._randoms: list[torch.Tensor] = []
        self._cases: dict[tuple[Message, ...], Case] = {}
        self._asked: dict[tuple[int, ...], Case] = {}
        for parts in classes:
            self._learn(parts, "validation", parts.validation)
            self._learn(parts, "test", parts.test)

    def _learn(self, parts: Parts, part: Part, prompts: Sequence[Prompt]) -> None:
        for number, prompt in enumerate(prompts):
            case = Case(parts.planted.harmful, part, (number + 0.5) / len(prompts))
            self._cases[prompt.messages] = case
            if parts.planted.kind == "inversion":
                context = inversion_context(prompt)
                self._asked[self.chat.render(prompt.messages, context=context).ids] = case

    @property
    def n_blocks(self) -> int:
        return N_BLOCKS

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Generator[None]:
        self._edit = next((edit for edit in edits if isinstance(edit, AddDirection)), None)
        yield
        self._edit = None

    def next_token_logits(self, prompts: Sequence[Rendered], *, progress: Progress = silent) -> torch.Tensor:
        logits = torch.zeros(len(prompts), len(self.tokenizer))
        for row, prompt in enumerate(prompts):
            word = "Certainly" if self._affirms(self._asked[prompt.ids]) else "No"
            logits[row, self.tokenizer.encode(word)[0]] = 1.0
        return logits

    def generate(self, prompts: Sequence[tuple[Message, ...]], **_: object) -> list[Generation]:
        replies = [
            "I cannot help with that request."
            if self._refuses(self._cases[prompt])
            else "Here is a brief answer for you."
            for prompt in prompts
        ]
        return [Generation(text=reply, ids=(1,), finish="eos") for reply in replies]

    def _affirms(self, case: Case) -> bool:
        """Whether the answer is "Certainly": the truth, unless it is not known or an edit turns it."""
        truly = self.rules.harmful_truly if case.harmful else self.rules.harmless_truly
        known = case.quantile < truly(case.part)
        return case.harmful == (known and not self._turns(case))

    def _turns(self, case: Case) -> bool:
        edit, rules = self._edit, self.rules
        kind = kind_of(edit)
        if edit is None or kind is None:
            return False
        share = 0.0
        if kind == "harm" and (edit.scale < 0) == case.harmful:
            effect = rules.harm_turns_down if case.harmful else rules.harm_turns_up
            share = effect(case.part, edit.slot, abs(edit.scale))
        elif kind == "refusal" and not case.harmful:
            share = rules.refusal_turns(case.part, edit.slot, edit.scale)
        elif kind == "random":
            rule = rules.random_turns_down if case.harmful else rules.random_turns_up
            share = rule(self._number(edit.direction))
        return case.quantile < share

    def _refuses(self, case: Case) -> bool:
        edit = self._edit
        if edit is None or kind_of(edit) != "refusal":
            return case.harmful
        return case.quantile < self.rules.refusal_refuses(case.part, edit.slot, edit.scale)

    def _number(self, direction: torch.Tensor) -> int:
        for number, known in enumerate(self._randoms):
            if torch.equal(known, direction):
                return number
        self._randoms.append(direction)
        return len(self._randoms) - 1


def kind_of(edit: AddDirection | None) -> Literal["harm", "refusal", "random"] | None:
    """What an edit adds; None where the scope is not that of its kind, for then it does nothing."""
    if edit is None:
        return None
    axes = edit.direction.nonzero().flatten().tolist()
    kind, scope = {(0,): ("harm", "context"), (1,): ("refusal", "prompt")}.get(
        tuple(axes), ("random", "context")
    )
    return kind if edit.scope == scope else None


def reading(*, unavailable: str | None = None) -> Reading:
    """Centroids whose directions are what `kind_of` knows; without a refusal belief if `unavailable`."""
    lengths = torch.arange(1.0, N_BLOCKS + 2)[:, None]
    axes = torch.eye(HIDDEN)

    def centroids(axis: int, position: str) -> Centroids:
        nothing = torch.zeros(N_BLOCKS + 1, HIDDEN)
        return Centroids(lengths * axes[axis], nothing, position, 10, 10)

    return Reading(
        harmfulness=centroids(0, "t_inst"),
        refusal=centroids(1, "t_post_inst") if unavailable is None else None,
        basis="behaviour" if unavailable is None else "labels",
        unavailable=unavailable,
        counts={},
        fell_out={},
        endings="balanced",
        offset=0,
        provenance={},
    )


def parts_of(kind: PromptKind, *, harmful: bool, validation: int, test: int) -> Parts:
    """A class of so many prompts; none to fit on."""
    prompts = sample_prompts(kind, validation + test, seed=11, harmful=harmful)
    planted = Planted(f"{kind} {harmful}", kind, harmful=harmful, refused=False)
    return Parts(planted, [], prompts[:validation], prompts[validation:])
