"""The text of a reply as it grows: what a token adds, once nothing that follows can change it."""

from collections.abc import Callable, Sequence

_TORN = "\ufffd"
"""What a token that ends inside a character decodes to."""


class Spelling:
    """Text that is safe to show, token by token, in constant time a token.

    A token's text may depend on the one before it (a blank that only stands between words), so each is
    decoded beside the last few. Half a character is held back until it is whole, and the end of the text as
    long as it may be the beginning of a stop string. Together the pieces are the text of all tokens.
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode, self._stop = decode, tuple(stop)
        self._ids: list[int] = []
        self._begin = 0
        """Tokens before it are no longer needed to decode what comes."""
        self._told = 0
        """Tokens before it are in the text."""
        self._held = ""
        """Text that may be the beginning of a stop string."""

    def take(self, token: int) -> str:
        """What `token` adds to the text that may be shown; empty where something must be waited for."""
        self._ids.append(token)
        before = self._decode(self._ids[self._begin : self._told])
        after = self._decode(self._ids[self._begin :])
        if after.endswith(_TORN) or len(after) <= len(before):
            return ""
        self._begin, self._told = self._told, len(self._ids)
        self._held += after[len(before) :]
        if any(stop in self._held for stop in self._stop):
            return ""
        safe = len(self._held) - self._waiting()
        shown, self._held = self._held[:safe], self._held[safe:]
        return shown

    def end(self, *, cut: bool) -> str:
        """What was held back, when the reply has ended: all of it, or, where a stop string ended it (`cut`),
        what stands before that."""
        rest = (
            self._held
            + self._decode(self._ids[self._begin :])[len(self._decode(self._ids[self._begin : self._told])) :]
        )
        if cut:
            found = [rest.index(stop) for stop in self._stop if stop in rest]
            return rest[: min(found)] if found else rest
        return rest

    def _waiting(self) -> int:
        """Characters at the end that begin a stop string."""
        longest = 0
        for stop in self._stop:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest
