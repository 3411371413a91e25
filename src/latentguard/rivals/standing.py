"""One rival measured: its thresholds on ordinary prompts, and what lies above them, set by set."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from latentguard.guard.sampling import estimate
from latentguard.rivals.field import Field
from latentguard.rivals.records import SetRow, Standing
from latentguard.statistics import Estimate
from latentguard.statistics.metrics import auroc, ranked, share


def standing(
    name: str, scores: Float[np.ndarray, " prompt"], field: Field, rates: Sequence[float]
) -> Standing:
    """Everything that is told of one rival, from its scores of the field's prompts."""
    draws = field.sample.with_all()
    cuts = np.stack([_cuts(scores, field.ordinary, draws, rate) for rate in rates])
    flagged = scores[None, :] >= cuts[:, :1]
    sets: list[SetRow] = []
    shares: dict[tuple[str, str], Float[np.ndarray, "rate resample"]] = {}
    harmful, ranks = field.sample.harmful, dict[tuple[str, str], Float[np.ndarray, " resample"]]()
    every_harmful = harmful & ~field.ordinary
    for (label, source), members in field.sets.items():
        shares[label, source] = np.stack([_shares(scores, members, draws, row) for row in cuts])
        compared = members | (field.ordinary if label == "harmful" else every_harmful)
        ranks[label, source] = _aurocs(scores, harmful, draws, compared)
        n = int(members.sum())
        sets.append(
            SetRow(
                source=source,
                label=label,
                n=n,
                flagged=tuple(estimate(row, n=n) for row in shares[label, source]),
                auroc=estimate(ranks[label, source], n=int(compared.sum())),
            )
        )
    return Standing(
        name=name,
        thresholds=tuple(float(row[0]) for row in cuts),
        ordinary=tuple(float(one[field.ordinary].mean()) for one in flagged),
        sets=tuple(sets),
        recall=_mean_over(shares, "harmful", field),
        over_refusal=_mean_over(shares, "harmless", field),
        auroc=_mean_of_pairs(scores, field, draws),
    )


def _cuts(
    scores: Float[np.ndarray, " prompt"],
    ordinary: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
    rate: float,
) -> Float[np.ndarray, " resample"]:
    """For each draw the lowest threshold that flags at most `rate` of its ordinary prompts: half-way between
    two of their scores, and just above the highest where even that one is too many."""
    levels, place = np.unique(scores[ordinary], return_inverse=True)
    counts = np.zeros((len(draws), len(levels)))
    for level, column in zip(place, draws[:, ordinary].T, strict=True):
        counts[:, level] += column
    at_least = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    allowed = at_least <= rate * counts.sum(axis=1, keepdims=True) + 1e-9
    margin = float(levels[-1] - levels[0]) / len(levels) if len(levels) > 1 else 1.0
    edges = np.r_[levels[0] - margin, (levels[1:] + levels[:-1]) / 2, levels[-1] + margin]
    first = np.where(allowed.any(axis=1), allowed.argmax(axis=1), len(levels))
    return edges[first]


def _shares(
    scores: Float[np.ndarray, " prompt"],
    members: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
    cuts: Float[np.ndarray, " resample"],
) -> Float[np.ndarray, " resample"]:
    """Share of `members` at or above each draw's own threshold."""
    found = np.empty(len(draws))
    for cut in np.unique(cuts):
        rows = np.flatnonzero(cuts == cut)
        found[rows] = share(scores >= cut, members, draws[rows])
    return found


def _aurocs(
    scores: Float[np.ndarray, " prompt"],
    harmful: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
    compared: Bool[np.ndarray, " prompt"],
) -> Float[np.ndarray, " resample"]:
    return auroc(ranked(scores[compared], harmful[compared], draws[:, compared]))


def _mean_over(
    shares: dict[tuple[str, str], Float[np.ndarray, "rate resample"]], label: str, field: Field
) -> tuple[Estimate, ...]:
    """Mean over the sets of one label, each counting the same."""
    chosen = [values for (of, _), values in shares.items() if of == label]
    n = sum(int(members.sum()) for (of, _), members in field.sets.items() if of == label)
    if not chosen:
        rates = len(next(iter(shares.values())))
        return tuple(Estimate(value=None, n=0) for _ in range(rates))
    return tuple(estimate(row, n=n) for row in np.mean(chosen, axis=0))


def _mean_of_pairs(
    scores: Float[np.ndarray, " prompt"], field: Field, draws: Float[np.ndarray, "resample prompt"]
) -> Estimate:
    harmful = [members for (label, _), members in field.sets.items() if label == "harmful"]
    harmless = [members for (label, _), members in field.sets.items() if label == "harmless"]
    if not harmless:
        return Estimate(value=None, n=0)
    values = [
        _aurocs(scores, field.sample.harmful, draws, one | other) for one in harmful for other in harmless
    ]
    return estimate(np.mean(values, axis=0), n=int((~field.ordinary).sum()))


def unavailable(name: str, rates: Sequence[float], why: str) -> Standing:
    """The standing of a rival that could not be fitted, or stopped answering."""
    nothing = Estimate(value=None, n=0)
    return Standing(
        name=name,
        thresholds=(),
        ordinary=(),
        sets=(),
        recall=tuple(nothing for _ in rates),
        over_refusal=tuple(nothing for _ in rates),
        auroc=nothing,
        unavailable=why,
    )
