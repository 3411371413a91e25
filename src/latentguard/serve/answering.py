"""Answers in the making, each read by the guard token by token: what is over the threshold is cut."""

from collections.abc import Sequence

import torch

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
        self._replying, self._chats, self._reader, self._by = replying, chats, reader, by
        self._triggers = [None if reader is None else reader.trigger() for _ in chats]

    @property
    def verdicts(self) -> dict[int, Judged]:
        """What the guard said of each prompt, once the first step is over."""
        return {number: Judged(one, self._by) for number, one in self._replying.verdicts.items()}

    @property
    def finished(self) -> bool:
        """Whether no answer is in the making any more."""
        return self._replying.finished

    def end(self, number: int) -> None:
        """End one answer now; its row leaves before the next step."""
        self._replying.end(number)

    def step(self) -> list[tuple[int, Piece]]:
        """A token for every answer in the making: (number of its chat, what is added to it)."""
        told = self._replying.step()
        read = self._read()
        pieces: list[tuple[int, Piece]] = []
        for one in told:
            beliefs, trigger = read.get(one.number), self._triggers[one.number]
            over = None if trigger is None else trigger.cut
            finish = None if one.finish is None else _FINISHED[one.finish]
            piece = Piece(one.text, finish, one.tokens, beliefs, over)
            if over and self._chats[one.number].cuts:
                self._replying.end(one.number)
                piece = Piece("", "cut", one.tokens, beliefs, over)
            pieces.append((one.number, piece))
        return pieces

    def _read(self) -> dict[int, TokenBeliefs]:
        """The beliefs at the token that each answer ran in this step, taken by its trigger."""
        states = self._replying.states
        if self._reader is None or not states:
            return {}
        beliefs = self._reader.read(torch.stack(list(states.values())))
        read = dict(zip(states, beliefs, strict=True))
        for number, one in read.items():
            trigger = self._triggers[number]
            if trigger is not None:
                trigger.take(one.counts)
        return read
