"""The paper's claims beside what was measured, as plain records that become JSON."""

from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict

from latentguard.beliefs import Cell
from latentguard.beliefs.directions import Kind
from latentguard.causal.records import CategoryCosines
from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate

Variant: TypeAlias = Literal["authors", "as_written", "balanced"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
MEANING: dict[Variant, str] = {
    "authors": "fitting prompts as they end, read two tokens before t_inst, where the authors' extractor "
    "read Qwen2 and Llama-3",
    "as_written": "the same, read at the proved t_inst",
    "balanced": "every fitting prompt with every ending, read at the proved t_inst",
}
Beside: TypeAlias = Literal["paper", "organism", "idle"]
"""Whose truth stands in the first column: the paper's, or what is planted in an organism."""
Budget: TypeAlias = Literal["quick", "full"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(_Record):
    """One number of the paper and the same number here."""

    claim: str
    """Name of the claim, as `template.whole`."""
    experiment: str
    what: str
    source: str
    """Where the paper says it."""
    paper: dict[str, str]
    """By model of the paper; for the organism, what is planted. Empty for controls that the paper lacks."""
    measured: dict[Variant, Estimate]
    note: str = ""
    skipped: str | None = None
    """Why nothing was measured."""


class LayerCurve(_Record):
    """Mean layer score of one verdict cell's prompts at every slot (the paper's Figure 2)."""

    variant: Variant
    belief: Kind
    cell: Cell
    n: int
    mean: tuple[float, ...]
    """Slot by slot, slot 0 first."""
    low: tuple[float, ...]
    """Ends of the 95 % interval; requests are resampled."""
    high: tuple[float, ...]


class Reproduction(_Record):
    """Every experiment of the paper, on one model, with the data at hand."""

    format: Literal["latentguard-reproduction/1"] = "latentguard-reproduction/1"
    paper: str = "Zhao et al. 2025, arXiv 2507.11878"
    model: Identity
    proof: ProofRecord
    command: str
    budget: Budget
    seed: int
    data: str
    data_hash: str
    behaviour: dict[str, int]
    """Fitting prompts in each verdict cell."""
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    curves: tuple[LayerCurve, ...] = ()
    """Of every cell with enough prompts, in every variant."""
    categories: CategoryCosines | None = None
    """Cosines of categories' directions, with balanced endings."""

    def moved_by_endings(self, most: int = 5) -> list[tuple[Row, float]]:
        """The rows that change most from endings as written to balanced ones, and by how much."""
        changes: list[tuple[Row, float]] = []
        for row in self.rows:
            written, balanced = row.measured.get("as_written"), row.measured.get("balanced")
            if written is None or balanced is None or written.value is None or balanced.value is None:
                continue
            changes.append((row, balanced.value - written.value))
        return sorted(changes, key=lambda pair: -abs(pair[1]))[:most]
