"""The proof of a model as plain fields: what an artefact keeps of it, and what `latentguard check` prints."""

from pydantic import BaseModel, ConfigDict


class CheckRecord(BaseModel):
    """One property that was measured at load, and how far it may be off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    says: str
    error: float | None
    """The largest error; None where it was not finite."""
    tolerance: float
    passed: bool


class HeadsRecord(BaseModel):
    """The query heads of one block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: int
    heads: int
    width: int
    factor: float | None = None
    """With which the block adds what its heads write; None where attribution is refused."""


class ProofRecord(BaseModel):
    """What was proved of a model, and what it therefore supports."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[CheckRecord, ...]
    supports: dict[str, bool]
    refused: dict[str, str]
    """Capability -> why."""
    heads: tuple[HeadsRecord, ...]
    """Of the blocks that have attention; empty where heads are refused."""
