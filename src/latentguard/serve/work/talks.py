"""Answers in the making: which chats are answered together, a token at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from latentguard.serve.work.runs import Answers, Observer, Runs
from latentguard.serve.work.tickets import Chat, PromptJudged


@dataclass(slots=True, eq=False)
class Talk:
    """Chats that are answered in one batch, by their numbers in `answers`."""

    chats: dict[int, Chat]
    answers: Answers
    begun: bool = False
    """A step has been made."""
    alone: bool = False
    """It could not be put beside another, though its cache is of the kind."""

    def join(self, other: "Talk") -> bool:
        """Go on with another's chats, too, in the same batch; False where that cannot be."""
        first = self.answers.join(other.answers)
        if first is None:
            return False
        self.chats |= {first + number: one for number, one in other.chats.items()}
        return True

    def forget(self, number: int) -> None:
        """One chat is over."""
        del self.chats[number]
        self.answers.forget(number)


class Talks:
    """Every chat that is being answered, in the worker's hands. `most_tokens`: of prompts begun together."""

    def __init__(self, runs: Runs, observer: Observer, *, most_tokens: int) -> None:
        self._runs, self._observer, self._most_tokens = runs, observer, most_tokens
        self._talks: list[Talk] = []
        self.beginning: Sequence[Chat] = ()
        """Chats that are let in and of which `begin` makes talks."""

    def __bool__(self) -> bool:
        """Some answer is in the making."""
        return bool(self._talks)

    def __len__(self) -> int:
        """Chats that are being answered."""
        return sum(len(talk.chats) for talk in self._talks)

    @property
    def listened_to(self) -> int:
        """Chats that somebody still listens to; any thread may ask."""
        begun = [one for talk in self._talks for one in list(talk.chats.values())]
        return sum(not one.cancelled for one in {*self.beginning, *begun})

    def all(self) -> list[Talk]:
        """Those that want a step."""
        return list(self._talks)

    def join(self) -> None:
        """Answers that have begun go on in one batch, where their caches can be put side by side: a token of
        all of them costs little more than a token of one."""
        joined: list[Talk] = []
        for talk in self._talks:
            if not any(self._join(one, talk) for one in joined):
                joined.append(talk)
        self._talks = joined

    def _join(self, one: Talk, other: Talk) -> bool:
        if not (one.begun and other.begun) or one.alone or other.alone:
            return False
        try:
            return one.join(other)
        except Exception as error:  # no memory for both in one: each goes on as it was
            other.alone = True
            self._observer.broke(error)
            return False

    def begin(self) -> None:
        """Answer those `beginning`, too: all in one batch, or each alone where that cannot be."""
        try:
            for some in self._grouped(self.beginning):
                self._talk(some)
        finally:
            self.beginning = ()

    def step(self, talk: Talk) -> None:
        """A token for every chat of `talk` that somebody listens to."""
        for number in [number for number, one in talk.chats.items() if one.cancelled]:
            talk.answers.end(number)
            talk.forget(number)
        begun = monotonic()
        try:
            told = talk.answers.step()
        except Exception as error:
            self._part(talk, error)
            return
        if not talk.begun:
            for number, judged in talk.answers.verdicts.items():
                if number in talk.chats:
                    talk.chats[number].tell(PromptJudged(judged))
        talk.begun = True
        for number, piece in told:
            talk.chats[number].tell(piece)
            if isinstance(piece, Exception) or piece.finish is not None:
                talk.forget(number)
        self._observer.token(monotonic() - begun)

    def forget_finished(self) -> None:
        """Those in which no answer is in the making any more are over."""
        self._talks = [talk for talk in self._talks if not talk.answers.finished]

    def _grouped(self, chats: Sequence[Chat]) -> list[list[Chat]]:
        """Chats whose prompts fit into one batch."""
        groups: list[list[Chat]] = []
        tokens = 0
        for one in chats:
            if not groups or tokens + one.tokens > self._most_tokens:
                groups.append([])
                tokens = 0
            groups[-1].append(one)
            tokens += one.tokens
        return groups

    def _talk(self, chats: Sequence[Chat]) -> None:
        """Begin to answer these together, or each alone where that cannot be."""
        try:
            self._talks.append(Talk(dict(enumerate(chats)), self._runs.begin(chats)))
        except Exception as error:
            if len(chats) == 1:
                chats[0].tell(error)
                return
            for one in chats:
                self._talk([one])

    def _part(self, talk: Talk, error: Exception) -> None:
        """A step of `talk` broke: its chats fail; where nothing was said yet, each is begun again alone, so
        that only the one that breaks fails."""
        for number in talk.chats:
            talk.answers.end(number)
        if talk.begun or len(talk.chats) == 1:
            for one in talk.chats.values():
                one.tell(error)
            return
        for one in talk.chats.values():
            if not one.cancelled:
                self._talk([one])
