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


class Replying:
    """Replies to a few prompts in the making, all in one batch. Made by `LanguageModel.replying`.

    Prompts of a model whose cache may not hold padding must be equally long, which `replying` checks. The
    first `step` runs the prompts, is judged by the guard, and asks `answers` about each; every later one
    runs one token a row. One thread may step at a time.
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
        self._endings, self._samplings, self._watch, self._answers = endings, samplings, watch, answers
        self._replies = [Reply() for _ in prefill.prompts]
        self._draws = [one.draws() for one in samplings]
        self._spelling = [Spelling(one.decode, one.stop) for one in endings]
        self._slots = slots
        readings = () if watch is None else (watch.reading(),)
        self._batch = Batch(prefill, list(range(len(prefill.prompts))), self._replies, readings=readings)
        self._begun = False
        self.states: dict[int, Float[Tensor, "slot hidden"]] = {}
        """Of the reply token that each row ran in the last step, at the slots asked for; float32 on the CPU.
        Empty after the first step, in which no reply token runs."""

    @property
    def verdicts(self) -> dict[int, Any]:
        """What the guard said of each prompt, once the first step is over; empty without a guard."""
        return {} if self._watch is None else self._watch.verdicts

    @property
    def finished(self) -> bool:
        """Whether no reply is in the making any more."""
        return all(reply.finish is not None for reply in self._replies)

    def end(self, number: int, finish: Finish = "stop") -> None:
        """End one reply now, whatever it was going to say; its row leaves before the next step."""
        if self._replies[number].finish is None:
            self._replies[number].finish = finish

    def step(self) -> list[Told]:
        """Run the model once and take a token for every reply in the making; nothing where there is none."""
        if self.finished:
            return []
        self.states = {}
        wanted = LastTokens(self._slots, self._keep) if self._slots else None
        with torch.no_grad():
            logits = self._batch.step(wanted)
        if logits is None:
            return []
        told: list[Told] = []
        if not self._begun:
            self._begun = True
            told = self._judged()
        for row, scores in zip(self._batch.live, logits, strict=True):
            if self._replies[row].finish is None:
                told.append(self._take(row, scores))
        return told

    def done(self, number: int) -> Generation:
        """One reply as far as it has come, with what the guard said of its prompt."""
        return self._replies[number].done(self._endings[number], self.verdicts.get(number))

    def _judged(self) -> list[Told]:
        if self._watch is not None:
            self._watch.judge(self._batch.live)
        refused: list[Told] = []
        for row in self._batch.live:
            if self._replies[row].finish is None and not self._answers(row, self.verdicts.get(row)):
                self._replies[row].finish = "flagged"
                refused.append(Told(row, "", "flagged", 0))
        return refused

    def _take(self, row: int, scores: Tensor) -> Told:
        reply, spelling = self._replies[row], self._spelling[row]
        held = len(reply.ids)
        reply.take(self._samplings[row].choose(scores, self._draws[row]), self._endings[row])
        text = spelling.take(reply.ids[-1]) if len(reply.ids) > held else ""
        if reply.finish is not None:
            text += spelling.end(cut=reply.finish == "stop")
        return Told(row, text, reply.finish, len(reply.ids))

    def _keep(self, numbers: Sequence[int], states: Float[Tensor, "row slot hidden"]) -> None:
        self.states = dict(zip(numbers, states, strict=True))
