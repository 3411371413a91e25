"""One claim with what was measured of it, or why nothing was."""

from collections.abc import Mapping
from typing import Final

from latentguard.statistics import Estimate
from latentguard.verify.reproduction.claims import CLAIMS
from latentguard.verify.reproduction.records import Beside, Row, Variant

FEWEST: Final = 5
"""Fewer prompts of a kind say nothing about it."""


def row(
    claim: str,
    measured: Mapping[Variant, Estimate] | None,
    *,
    beside: Beside,
    note: str = "",
    skipped: str | None = None,
) -> Row:
    """A claim's row, beside what the paper reports or what is planted in one of the two organisms."""
    said = CLAIMS[claim]
    expected = said.paper
    if beside != "paper":
        truth = said.idle if beside == "idle" and said.idle is not None else said.planted
        expected = {} if truth is None else {"planted": truth}
    return Row(
        claim=claim,
        experiment=said.experiment,
        what=said.what,
        source=said.source if beside == "paper" else "planted",
        paper=expected,
        measured=dict(measured or {}),
        note=note,
        skipped=skipped,
    )
