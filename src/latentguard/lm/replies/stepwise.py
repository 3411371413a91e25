"""Replies a token at a time, for whoever has other work between two tokens, such as a server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.lm.replies.prefill import Batch, Prefill
from latentguard.lm.replies.reply import Ending, Finish, Generation, Reply, Sampling
from latentguard.lm.replies.spelling import Spelling
from latentguard.lm.replies.watching import LastTokens, Watch


@dataclass(frozen=True, slots=True)
class Told:
    """What one step added to one reply."""

    number: int
    """Which prompt's."""
    text: str
    """May be empty: half a character, or what may be the beginning of a stop string, is held back."""
    finish: Finish | None
    """Why the reply ended with this step, if it did."""
    tokens: int
    """Of the reply so far."""


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One reply in the making, and how it is made."""

    reply: Reply
    ending: Ending
    sampling: Sampling
    draw: torch.Generator
    spelling: Spelling

    @classmethod
    def of(cls, ending: Ending, sampling: Sampling) -> "_Row":
        return cls(Reply(), ending, sampling, sampling.draws(), Spelling(ending.decode, ending.stop))

    def take(self, number: int, scores: Float[Tensor, " vocab"]) -> Told:
        """The next token, and what it adds to the text."""
        held = len(self.reply.ids)
        self.reply.take(self.sampling.choose(scores, self.draw), self.ending)
        text = self.spelling.take(self.reply.ids[-1]) if len(self.reply.ids) > held else ""
        if self.reply.finish is not None:
            text += self.spelling.end(cut=self.reply.finish == "stop")
        return Told(number, text, self.reply.finish, len(self.reply.ids))


class Replying:
    """Replies to a few prompts in the making, all in one batch. Made by `LanguageModel.replying`.

    Prompts of a model whose cache may not hold padding must be equally long, which `replying` checks. The
    first `step` runs the prompts, is judged by the guard, and asks `answers` about each; every later one
    runs one token a row. Others that have begun can `join`, and share every later run. One thread may step
    at a time.
    """

    def __init__(
        self,
        prefill: Prefill,
        endings: Sequence[Ending],
        samplings: Sequence[Sampling],
        *,
        watch: Watch | None,
        answers: Callable[[int, Any], bool],
        slots: tuple[int, ...] = (),
    ) -> None:
        self._watch, self._answers, self._slots = watch, answers, slots
        self._rows = {
            number: _Row.of(ending, sampling)
            for number, (ending, sampling) in enumerate(zip(endings, samplings, strict=True))
        }
        self._next = len(self._rows)
        self._joined = self._begun = False
        readings = () if watch is None else (watch.reading(),)
        replies = {number: row.reply for number, row in self._rows.items()}
        self._batch = Batch(prefill, list(replies), replies, readings=readings)
        self.verdicts: dict[int, Any] = {}
        """What the guard said of each prompt, once the first step is over; empty without a guard."""
        self.states: dict[int, Float[Tensor, "slot hidden"]] = {}
        """Of the reply token that each row ran in the last step, at the slots asked for; float32 on the CPU.
        Empty after the first step, in which no reply token runs. One that is not finite is here as it is."""

    @property
    def finished(self) -> bool:
        """Whether no reply is in the making any more."""
        return all(row.reply.finish is not None for row in self._rows.values())

    def end(self, number: int, finish: Finish = "stop") -> None:
        """End one reply now, whatever it was going to say; its row leaves before the next step."""
        if number in self._rows and self._rows[number].reply.finish is None:
            self._rows[number].reply.finish = finish

    def join(self, other: "Replying") -> int | None:
        """Take over the replies of another in the making, under numbers from the one returned on.

        Both have made their first step, and read the same slots. None, and nothing has changed, where this
        model's cache may not be padded for ever, or either is over. `done` knows no reply any more that had
        ended before.
        """
        both = (self._batch.joins, other._batch.joins, not self.finished, not other.finished)
        if not all(both) or self._slots != other._slots:
            return None
        first = self._next
        self._batch.join(other._batch, first)
        self._rows |= {first + number: row for number, row in other._rows.items()}
        self.verdicts |= {first + number: one for number, one in other.verdicts.items()}
        self._next, self._joined = first + other._next, True
        return first

    def step(self) -> list[Told]:
        """Run the model once and take a token for every reply in the making; nothing where there is none."""
        if self.finished:
            return []
        self.states = {}
        wanted = LastTokens(self._slots, self._keep, checked=False) if self._slots else None
        with torch.no_grad():
            logits = self._batch.step(wanted)
        self._forget()
        if logits is None:
            return []
        told: list[Told] = []
        if not self._begun:
            self._begun = True
            told = self._judged()
        for number, scores in zip(self._batch.live, logits, strict=True):
            row = self._rows[number]
            if row.reply.finish is None:
                told.append(row.take(number, scores))
        return told

    def done(self, number: int) -> Generation:
        """One reply as far as it has come, with what the guard said of its prompt."""
        row = self._rows[number]
        return row.reply.done(row.ending, self.verdicts.get(number))

    def _judged(self) -> list[Told]:
        if self._watch is not None:
            self._watch.judge(self._batch.live)
            self.verdicts = dict(self._watch.verdicts)
        refused: list[Told] = []
        for number in self._batch.live:
            reply = self._rows[number].reply
            if reply.finish is None and not self._answers(number, self.verdicts.get(number)):
                reply.finish = "flagged"
                refused.append(Told(number, "", "flagged", 0))
        return refused

    def _forget(self) -> None:
        """Where others may join for ever, replies whose rows have left are known no more."""
        if self._joined:
            for number in set(self._rows).difference(self._batch.live):
                self._batch.forget(number)
                del self._rows[number]
                self.verdicts.pop(number, None)

    def _keep(self, numbers: Sequence[int], states: Float[Tensor, "row slot hidden"]) -> None:
        self.states = dict(zip(numbers, states, strict=True))
