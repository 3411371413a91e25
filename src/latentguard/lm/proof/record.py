"""The proof of a model as plain fields: what an artefact keeps of it, and what `latentguard check` prints."""

from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from latentguard.lm.chat.rendered import Rendered


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


class TokenRecord(BaseModel):
    """One token of a prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    id: int
    text: str


class PositionsRecord(BaseModel):
    """Where the named positions of one prompt are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    t_inst: int
    t_post_inst: int
    t_content: int
    boundary: str
    """`clean`, or `merged`: t_inst holds characters of the template, too."""
    inserted: str
    """How the template changed the content, `verbatim` where not at all."""
    tokens: tuple[TokenRecord, ...]


class ProofRecord(BaseModel):
    """What was proved of a model, and what it therefore supports."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[CheckRecord, ...]
    supports: dict[str, bool]
    refused: dict[str, str]
    """Capability -> why."""
    heads: tuple[HeadsRecord, ...]
    """Of the blocks that have attention; empty where heads are refused."""
    positions: PositionsRecord | None = None
    """Of a sample prompt; None where they could not be proved on it."""


def positions_record(prompt: str, rendered: Rendered, tokenizer: Any) -> PositionsRecord:
    """The positions of `rendered`, each token as it is written."""
    decode = partial(tokenizer.decode, clean_up_tokenization_spaces=False)
    return PositionsRecord(
        prompt=prompt,
        t_inst=rendered.t_inst,
        t_post_inst=rendered.t_post_inst,
        t_content=rendered.t_content,
        boundary=rendered.boundary,
        inserted=rendered.inserted,
        tokens=tuple(
            TokenRecord(index=index, id=token, text=decode([token]))
            for index, token in enumerate(rendered.ids)
        ),
    )
