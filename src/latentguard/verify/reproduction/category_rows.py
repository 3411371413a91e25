"""Rows of categories: how far their directions agree, and what each turns of the questions about one."""

from collections.abc import Iterator, Sequence

import numpy as np

from latentguard.causal.categories import CategoryDirections, CategoryEffect
from latentguard.statistics import Estimate
from latentguard.verify.reproduction.records import Beside, Row
from latentguard.verify.reproduction.row import row


def category_rows(found: CategoryDirections | None, why: str | None, *, beside: Beside) -> Iterator[Row]:
    """Mean cosines of categories' directions, over categories."""
    for which in ("harm", "refusal"):
        if found is None:
            yield row(f"category.{which}", None, beside=beside, skipped=why)
            continue
        values = found.to_others(which)
        most, least = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
        cosine = Estimate(value=float(np.mean(list(values.values()))), n=sum(found.n))
        same, different = found.of_halves(which)
        yield row(
            f"category.{which}",
            {"balanced": cosine},
            beside=beside,
            note=f"{least} {values[least]:.2f} to {most} {values[most]:.2f}; halves of one category "
            f"{same:.2f}, of two {different:.2f}; mean of the cosines at slots 1 to L; the paper’s is of "
            "directions averaged over slots 9 to 19",
        )


def _beside(effect: CategoryEffect) -> str:
    if effect.random is None or effect.random.mean is None:
        return ""
    return f"; random directions there {effect.random.mean:.2f}"


def cross_rows(
    effects: Sequence[CategoryEffect], category: str | None, why: str | None, *, beside: Beside
) -> Iterator[Row]:
    """What each category's reversed direction turns of the questions about one."""
    own = [one for one in effects if one.direction == category]
    others = [one for one in effects if one.direction != category and one.turned.value is not None]
    skipped = why if not own or not others else None
    note = f"questions about {category}"
    if skipped is not None or not own:
        skipped = skipped or "no question was answered truly"
        yield row("category.cross_own", None, beside=beside, skipped=skipped)
        yield row("category.cross_others", None, beside=beside, skipped=skipped)
        return
    yield row(
        "category.cross_own",
        {"balanced": own[0].turned},
        beside=beside,
        note=f"{note}; block {own[0].block}{_beside(own[0])}",
    )
    shares = [float(one.turned.value or 0.0) for one in others]
    most = max(others, key=lambda one: one.turned.value or 0.0)
    yield row(
        "category.cross_others",
        {"balanced": Estimate(value=float(np.mean(shares)), n=own[0].turned.n)},
        beside=beside,
        note=f"{min(shares):.2f} to {max(shares):.2f} ({most.direction})",
    )
