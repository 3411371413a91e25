"""What is trained on at each step: from an additive task to a product, and from reading to copying.

A product of two factors gives no gradient from a cold start. So "protect the malware" is left out at first
(what is left can be solved by adding up words), then let in little by little, and questions about single
words run beside it. Interchange starts when there is something to interchange.
"""

import random
from dataclasses import dataclass
from typing import Final

from latentguard.organism.grammar import Chat, Grammar, Kind
from latentguard.organism.interchange import Component

_MIXTURE: Final[dict[Kind, float]] = {
    "direct": 36,
    "nonsense_suffix": 6,
    "persuasion": 6,
    "role_play": 6,
    "obeyed_topic": 8,
    "idiom": 8,
    "ordinary": 10,
    "inversion": 20,
}
"""Shares of the kinds of chat, valence questions apart."""


@dataclass(frozen=True, slots=True)
class Curriculum:
    """The schedule as shares of the run, so that a longer or shorter run keeps its shape."""

    steps: int
    product_from: float = 0.125
    product_full: float = 0.375
    interchange_from: float = 0.29
    rows: int = 50
    harm_rows: int = 32
    decision_rows: int = 20
    pushed_rows: int = 10
    idle_rows: int = 16
    valence_first: float = 0.2
    valence_later: float = 0.08

    def late_quadrant(self, step: int) -> float:
        """Share of protective-on-bad among harmful acts: 0, then rising to one half."""
        start, full = self.product_from * self.steps, self.product_full * self.steps
        return 0.5 * min(1.0, max(0.0, (step - start) / max(1.0, full - start)))

    def interchange(self, step: int) -> bool:
        return step >= self.interchange_from * self.steps

    def valence_share(self, step: int) -> float:
        return self.valence_first if self.late_quadrant(step) < 0.5 else self.valence_later

    def copies(self, component: Component) -> int:
        """Rows a step into which this component is copied."""
        return self.harm_rows if component == "harm" else self.decision_rows

    def draw_kind(self, kind: Kind, step: int, count: int, rng: random.Random) -> list[Chat]:
        """`count` chats of one kind, half of them harmful."""
        grammar = Grammar(late_quadrant=self.late_quadrant(step))
        return [grammar.chat(kind, rng.random() < 0.5, rng) for _ in range(count)]

    def draw(self, step: int, count: int, rng: random.Random, *, valence: bool = True) -> list[Chat]:
        """`count` chats of the mixture at `step`, half of them harmful where the kind allows it."""
        grammar = Grammar(late_quadrant=self.late_quadrant(step))
        kinds = rng.choices(tuple(_MIXTURE), tuple(_MIXTURE.values()), k=count)
        share = self.valence_share(step) if valence else 0.0
        return [
            grammar.chat("valence" if rng.random() < share else kind, rng.random() < 0.5, rng)
            for kind in kinds
        ]
