"""One reply: how its tokens are chosen, when it ends, and what is left of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

Finish = Literal["eos", "stop", "length", "flagged"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply. `finish`: the model ended it ("eos"), a stop string ("stop"), or the limit ("length"); or a
    guard flagged the prompt, and there is none ("flagged")."""

    text: str
    ids: tuple[int, ...]
    finish: Finish
    verdict: Any = None
    """What the guard said of the prompt, as `Guard.score` gives it; None without a guard."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; `top_p` keeps the smallest likely set."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature must be >= 0 and top_p in (0, 1]")

    def draws(self, row: int = 0) -> torch.Generator:
        """What reply number `row` draws from: a reply does not depend on its batch."""
        return torch.Generator().manual_seed(self.seed + row)

    def choose(self, scores: Float[Tensor, "vocab"], draw: torch.Generator) -> int:
        """The next token: the likeliest, or a draw from the tempered distribution within `top_p`."""
        if self.temperature == 0:
            return int(scores.argmax())
        wide = scores.double().cpu()
        likely = ((wide - wide.max()) / self.temperature).softmax(dim=-1)  # however small the temperature
        ordered, tokens = likely.sort(descending=True)
        kept = ordered * ((ordered.cumsum(dim=-1) - ordered) < self.top_p)
        return int(tokens[torch.multinomial(kept, 1, generator=draw)])


@dataclass(frozen=True, slots=True)
class Ending:
    """When a reply ends: at one of the tokens `ends`, at a stop string (cut off), or after `limit` tokens."""

    limit: int
    ends: frozenset[int]
    stop: tuple[str, ...]
    decode: Callable[[list[int]], str]


@dataclass(slots=True, eq=False)
class Reply:
    """A reply in the making."""

    ids: list[int] = field(default_factory=list)
    cut_text: str | None = None
    """The text before a stop string, where one ended it."""
    finish: Finish | None = None

    def take(self, token: int, ending: Ending) -> None:
        """Append `token`, or end the reply at it."""
        if token in ending.ends:
            self.finish = "eos"
            return
        self.ids.append(token)
        if ending.stop:
            text = ending.decode(self.ids)
            found = [text.index(stop) for stop in ending.stop if stop in text]
            if found:
                self.cut_text, self.finish = text[: min(found)], "stop"
                return
        if len(self.ids) >= ending.limit:
            self.finish = "length"

    def text(self, ending: Ending) -> str:
        """What it says so far."""
        return ending.decode(self.ids) if self.cut_text is None else self.cut_text

    def done(self, ending: Ending, verdict: Any) -> Generation:
        """The finished reply, with what a guard said of its prompt."""
        return Generation(self.text(ending), tuple(self.ids), self.finish or "length", verdict)
