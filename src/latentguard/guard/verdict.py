"""What a guard says of one prompt."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from latentguard._text import inert
from latentguard.beliefs import Cell
from latentguard.beliefs.table import html_table

if TYPE_CHECKING:
    import pandas


InstructionEnd: TypeAlias = Literal["t_inst", "t_content"]
"""The end of the last user turn's content, or of the last message that is not the assistant's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Belief and predicted decision for one prompt, from one forward pass without a reply."""

    harmfulness: float
    """Harmfulness belief at t_inst over the guard's slots: mean cosine difference, in [-2, 2]."""
    score: float
    """What the guard's method computed, higher for harmful; the belief itself for that method at t_inst."""
    probability: float
    """Calibrated P(harmful), at the validation set's share of harmful prompts."""
    flagged: bool
    """The score reached the threshold chosen on validation prompts."""
    refusal: float | None
    """Refusal belief at t_post_inst, in [-2, 2]; None where the model gave no refusal cluster."""
    predicted_refused: bool | None
    """Whether the model is expected to refuse, from the refusal belief; None where that is None."""
    cell: Cell | None
    """`flagged` x `predicted_refused`, one of the four verdict cells; None without a refusal belief."""
    category_scores: dict[str, float] = field(default_factory=dict[str, float])
    """For each category the guard knows, the calibrated probability of harm of that kind, at the category's
    share of the validation prompts; they do not add to `probability`. Empty where it knows none."""
    read_at: InstructionEnd = "t_inst"
    """The position that was read as the end of the instruction."""
    transfer: tuple[str, ...] = ()
    """What differs from the model this guard was fitted on; empty where nothing does."""


class Verdicts(list[Verdict]):
    """The verdicts of several prompts, in their order, beside the text of each."""

    def __init__(self, verdicts: list[Verdict], texts: list[str]) -> None:
        super().__init__(verdicts)
        self.texts = texts

    def to_frame(self) -> "pandas.DataFrame":
        """One row a prompt: its text, and the fields of its verdict; `category: NAME` for each category."""
        import pandas

        rows: list[dict[str, object]] = []
        for text, one in zip(self.texts, self, strict=True):
            fields = asdict(one)
            of_category = fields.pop("category_scores").items()
            rows.append({"prompt": text} | fields | {f"category: {name}": each for name, each in of_category})
        return pandas.DataFrame(rows)

    def _repr_html_(self) -> str:
        """A table for notebooks; prompts are shown inert."""
        head = ("prompt", "harmfulness", "P(harmful)", "flagged", "refusal", "verdict")
        rows = [
            (
                inert(text, limit=80),
                f"{one.harmfulness:+.3f}",
                f"{one.probability:.2f}",
                "yes" if one.flagged else "no",
                "unavailable" if one.refusal is None else f"{one.refusal:+.3f}",
                one.cell or "unavailable",
            )
            for text, one in zip(self.texts, self, strict=True)
        ]
        return html_table(head, rows)
