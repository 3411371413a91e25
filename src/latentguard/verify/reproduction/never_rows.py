"""Rows that are never measured here, and where they can be."""

from collections.abc import Iterator

from latentguard.verify.reproduction.records import Beside, Row
from latentguard.verify.reproduction.row import row


def skipped_rows(*, beside: Beside) -> Iterator[Row]:
    """What is never measured here, and where it can be."""
    for claim, why in (
        (
            "fine-tuning",
            "fine-tuning attacks run on the organism alone: latentguard organism attack, then compare",
        ),
        ("out-of-domain", "neither set is at hand"),
        ("llama-guard", "beside any classifier or endpoint of your own: latentguard rivals"),
    ):
        yield row(claim, None, beside=beside, skipped=why)
