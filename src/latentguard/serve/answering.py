"""Answers in the making, each read by the guard token by token: what is over the threshold is cut."""

from collections.abc import Sequence

import torch

from latentguard.errors import NonFiniteState
from latentguard.guard import AnswerReader, TokenBeliefs
from latentguard.lm import Replying
from latentguard.serve.judged import By, Judged
from latentguard.serve.work.tickets import Chat, Outcome, Piece

_FINISHED: dict[str, Outcome] = {
    "eos": "stop",
    "stop": "stop",
    "length": "length",
    "flagged": "blocked",
}


class Answering:
    """Answers of one batch. What the reader reads is in the run of the token that follows: no run is added,
    and one token is written before the one that is over the threshold is known to be.

    `reader`: None where nobody wants to know what is read of these answers.
    """

    def __init__(
        self, replying: Replying, chats: Sequence[Chat], reader: AnswerReader | None, by: By
    ) -> None:
        self._replying, self._reader, self._by = replying, reader, by
        self._chats = dict(enumerate(chats))
        self._triggers = {number: None if reader is None else reader.trigger() for number in self._chats}

    @property
    def verdicts(self) -> dict[int, Judged]:
        """What the guard said of each prompt, once the first step is over."""
        return {number: Judged(one, self._by) for number, one in self._replying.verdicts.items()}

    def join(self, other: "Answering") -> int | None:
        """Take over other answers that have begun, under the same guard: their numbers follow the one
        returned. None, and nothing has changed, where that cannot be."""
        if self._by != other._by or self._fitted() != other._fitted():
            return None
        first = self._replying.join(other._replying)
        if first is not None:
            self._chats |= {first + number: one for number, one in other._chats.items()}
            self._triggers |= {first + number: one for number, one in other._triggers.items()}
        return first

    def forget(self, number: int) -> None:
        """One answer is over."""
        self._chats.pop(number, None)
        self._triggers.pop(number, None)

    @property
    def finished(self) -> bool:
        """Whether no answer is in the making any more."""
        return self._replying.finished

    def end(self, number: int) -> None:
        """End one answer now; its row leaves before the next step."""
        self._replying.end(number)

    def step(self) -> list[tuple[int, Piece | Exception]]:
        """A token for every answer in the making: (number of its chat, what is added to it, or what broke
        it)."""
        told = self._replying.step()
        read = self._read()
        pieces: list[tuple[int, Piece | Exception]] = []
        for one in told:
            beliefs, trigger = read.get(one.number), self._triggers[one.number]
            if isinstance(beliefs, Exception):
                self._replying.end(one.number)
                pieces.append((one.number, beliefs))
                continue
            finish = None if one.finish is None else _FINISHED[one.finish]
            over = None if trigger is None or finish == "blocked" else trigger.cut
            piece = Piece(one.text, finish, one.tokens, beliefs, over)
            if over and self._chats[one.number].cuts:
                self._replying.end(one.number)
                piece = Piece("", "cut", one.tokens, beliefs, over)
            pieces.append((one.number, piece))
        return pieces

    def _fitted(self) -> object:
        """By what tokens are read."""
        return None if self._reader is None else (self._reader.slots, self._reader.fitted)

    def _read(self) -> dict[int, TokenBeliefs | Exception]:
        """The beliefs at the token that each answer ran in this step, taken by its trigger; of a token whose
        state is not finite, that it is not: it ends its own answer, and no other."""
        states = self._replying.states
        if self._reader is None or not states:
            return {}
        finite = {number: one for number, one in states.items() if bool(one.isfinite().all())}
        broken = NonFiniteState("a state of this answer is NaN or infinite, so it is not read on.")
        read: dict[int, TokenBeliefs | Exception] = dict.fromkeys(states, broken)
        beliefs = self._reader.read(torch.stack(list(finite.values()))) if finite else []
        for number, one in zip(finite, beliefs, strict=True):
            read[number] = one
            trigger = self._triggers[number]
            if trigger is not None:
                trigger.take(one.counts)
        return read
