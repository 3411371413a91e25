"""What work will cost before any of it is begun: forward passes, tokens, minutes on this machine, memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from latentguard.lm.chat import Conversation, Rendered

if TYPE_CHECKING:
    from latentguard.lm.model import LanguageModel

TIMED: Final = 8
"""Prompts that are run to see how fast this machine is."""
_ACTIVATIONS: Final = 12
"""States of one token that live at once inside a block, beside its own."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """An estimate: what is not known before is counted at its middle."""

    forwards: float
    """Whole forward passes of one prompt each."""
    tokens: float
    minutes: float
    gigabytes: float
    """Of the model, the states that are kept and the largest batch."""


class Tally:
    """Adds up what will run. Prompts that begin alike cost less than is counted here."""

    def __init__(self, model: "LanguageModel") -> None:
        self._model = model
        self._forwards = self._tokens = 0.0
        self._longest = 0
        self._kept = 0.0
        self._timed: list[Rendered] = []

    def run(self, prompts: Sequence[Conversation | Rendered], times: float | int = 1) -> None:
        """`times` whole forward passes of every prompt."""
        rendered = [one if isinstance(one, Rendered) else self._model.render(one) for one in prompts]
        self._forwards += times * len(rendered)
        self._tokens += times * sum(len(one.ids) for one in rendered)
        self._longest = max([self._longest, *(len(one.ids) for one in rendered)])
        if len(self._timed) < TIMED:
            self._timed += rendered[: TIMED - len(self._timed)]

    def reply(self, n: float | int, tokens: int = 16) -> None:
        """`n` replies of `tokens` each, behind prompts that are counted apart."""
        self._tokens += n * tokens

    def keep(self, states: float | int) -> None:
        """So many tokens' states, at every slot, stay in memory."""
        self._kept += states

    def total(self, *, rows: int = 1) -> Forecast:
        """The forecast, by the speed of a few of these prompts. `rows`: runs of the longest prompt that are
        asked for their logits at once."""
        model = self._model
        size = model.dtype.itemsize
        weights = sum(one.numel() * one.element_size() for one in model.module.parameters())
        kept = self._kept * model.n_slots * model.hidden_size * size
        batch = rows * self._longest * model.hidden_size * size * _ACTIVATIONS
        logits = rows * model.blocks.config.vocab_size * 4 * 4
        return Forecast(
            forwards=self._forwards,
            tokens=self._tokens,
            minutes=self._tokens / self._tokens_a_second() / 60,
            gigabytes=float(weights + kept + batch + logits) / 1e9,
        )

    def _tokens_a_second(self) -> float:
        some = self._timed
        self._model.next_token_logits(some[:1])
        begun = time.perf_counter()
        self._model.next_token_logits(some)
        return sum(len(one.ids) for one in some) / max(time.perf_counter() - begun, 1e-9)
