"""Rivals side by side: fitted on the same prompts, cut at the same false-positive rate, asked the same sets.

A threshold is the lowest score that flags at most a rate of the *ordinary* prompts: harmless ones that no
rival was fitted on and that are reported nowhere else. The share of each harmful set above it is recall, the
share of each harmless set above it false alarm, and on harmless prompts that look harmful, over-refusal.
Relatives of fitting prompts (the request behind a wrapping, equal texts) are left out and counted.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float

from latentguard._progress import Progress, silent
from latentguard.data import Prompt, data_hash
from latentguard.errors import BadData, ModelNotFound, TooFewPrompts
from latentguard.guard.captured import variants
from latentguard.guard.cells import BOTH
from latentguard.guard.fitting_data import FittingData
from latentguard.guard.relatives import recognised_by, remembered_as
from latentguard.guard.sampling import RESAMPLES, Sample, estimate
from latentguard.lm import Identity, LanguageModel
from latentguard.lm.forecast import Forecast, Tally
from latentguard.rivals.first_token import ASKED
from latentguard.rivals.kept_scores import KeptScores, in_order, name_of
from latentguard.rivals.records import Contest, SetRow, Standing
from latentguard.rivals.rival import Rival, Scorer
from latentguard.statistics import Estimate
from latentguard.statistics.metrics import auroc, ranked, share

RATES: Final = (0.01, 0.05)
PROMPTS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """The prompts that rivals are measured on, their draws, and which of them belong to what."""

    prompts: tuple[Prompt, ...]
    ordinary: Bool[np.ndarray, " prompt"]
    sample: Sample
    sets: dict[tuple[Literal["harmful", "harmless"], str], Bool[np.ndarray, " prompt"]]
    left_out: int
    unlabelled: int


def contest(
    rivals: Sequence[Rival],
    data: FittingData,
    ordinary: Sequence[Prompt],
    test: Sequence[Prompt] | Mapping[str, Sequence[Prompt]],
    *,
    model: LanguageModel | None = None,
    rates: Sequence[float] = RATES,
    fitted_on: str = "",
    command: str = "",
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Contest:
    """Fit rivals on `data`, cut them on `ordinary` harmless prompts, measure them on labelled `test` prompts.

    `test`: sets by name, or prompts whose `source` names their set. `model`: whose states the rivals
    read; a chunk of prompts then runs once for all of them. Intervals are 95 % over requests, resampled
    within sets; thresholds are redrawn with the ordinary prompts. In `folder` scores are kept as they are
    made: the same call goes on where it was stopped. Raises `TooFewPrompts` without a harmful test prompt
    or with fewer ordinary prompts than 1 / the smallest rate.
    """
    field = _field(data, ordinary, test, seed=seed)
    n_ordinary = int(field.ordinary.sum())
    if n_ordinary * min(rates) < 1:
        raise TooFewPrompts(
            f"a false-positive rate of {min(rates):g} is cut on {round(1 / min(rates))} ordinary harmless "
            f"prompts at least; there are {n_ordinary}.\n  Give more of them, or a higher rate."
        )
    scorers = _fitted(rivals, data, model, progress)
    identity = None if model is None else model.identity()
    kept = None if folder is None else KeptScores(folder, _about(identity, data))
    names = _different([rival.name for rival in rivals])
    standings = [
        _unavailable(name, rates, one) if isinstance(one, str) else _standing(name, one, field, rates)
        for name, one in zip(
            names, _scored(rivals, scorers, field.prompts, model, kept, progress), strict=True
        )
    ]
    return Contest(
        command=command,
        model=identity,
        fitted_on=fitted_on,
        n_train=len(data.train),
        n_validation=len(data.validation),
        rates=tuple(rates),
        n_ordinary=n_ordinary,
        left_out=field.left_out,
        unlabelled=field.unlabelled,
        data_hash=data_hash(field.prompts),
        seed=seed,
        standings=tuple(standings),
    )


def plan(
    model: LanguageModel, data: FittingData, ordinary: Sequence[Prompt], test: Sequence[Prompt]
) -> Forecast:
    """The price of `contest`, as far as `model` runs: rivals that bring a model of their own cost more."""
    tally = Tally(model)
    fitting = [*data.train, *data.validation]
    endings = [*variants(data.train, "balanced")[0], *variants(data.validation, "balanced")[0]]
    asked = min(len(data.train), 2 * ASKED)
    tally.run([one.messages for one in dict.fromkeys((*fitting, *endings))])
    tally.run([one.messages for one in data.train], asked / len(data.train))
    tally.run([one.messages for one in (*ordinary, *test)])
    tally.reply(asked)
    tally.keep(2 * (len(fitting) + len(endings)))
    return tally.total()


def _field(
    data: FittingData,
    ordinary: Sequence[Prompt],
    test: Sequence[Prompt] | Mapping[str, Sequence[Prompt]],
    *,
    seed: int,
) -> _Field:
    named = _named(test)
    labelled = [(name, one) for name, one in named if one.label is not None]
    seen = frozenset(mark for one in (*data.train, *data.validation) for mark in remembered_as(one))
    kept = [(name, one) for name, one in labelled if seen.isdisjoint(recognised_by(one))]
    tested = frozenset(mark for _, one in kept for mark in remembered_as(one))
    usual = [
        replace(one, label="harmless") for one in ordinary if (seen | tested).isdisjoint(recognised_by(one))
    ]
    if not any(one.label == "harmful" for _, one in kept):
        n = len(data.train) + len(data.validation)
        raise TooFewPrompts(
            f"no harmful test prompt is left of {len(labelled)} labelled ones, after relatives of the {n} "
            "fitting prompts were left out.\n  Give labelled test prompts that nothing was fitted on."
        )
    prompts = (*usual, *(one for _, one in kept))
    names: dict[tuple[Literal["harmful", "harmless"], str], list[int]] = {}
    for index, (name, one) in enumerate(kept, start=len(usual)):
        if one.label is not None:
            names.setdefault((one.label, name), []).append(index)
    numbers = np.arange(len(prompts))
    return _Field(
        prompts=prompts,
        ordinary=numbers < len(usual),
        sample=Sample.of(prompts, resamples=RESAMPLES, seed=seed),
        sets={name: np.isin(numbers, members) for name, members in sorted(names.items())},
        left_out=len(labelled) + len(ordinary) - len(prompts),
        unlabelled=len(named) - len(labelled),
    )


def _named(test: Sequence[Prompt] | Mapping[str, Sequence[Prompt]]) -> list[tuple[str, Prompt]]:
    if isinstance(test, Mapping):
        return [(name, one) for name, prompts in test.items() for one in prompts]
    return [(one.source or "unnamed", one) for one in test]


def _different(names: Sequence[str]) -> list[str]:
    """The same names, those that stand there already with a number behind them."""
    return [
        name if names[:index].count(name) == 0 else f"{name} ({names[:index].count(name) + 1})"
        for index, name in enumerate(names)
    ]


def _about(model: Identity | None, data: FittingData) -> str:
    """Everything that decides a score beside the rival and the prompt."""
    read = "no model" if model is None else model.model_dump_json(exclude={"name", "revision", "versions"})
    return f"{read} {in_order(data.train)} {in_order(data.validation)}"


def _fitted(
    rivals: Sequence[Rival], data: FittingData, model: LanguageModel | None, progress: Progress
) -> list[Scorer | str]:
    """Each rival's scorer, or why it has none; what rivals read of one model is run once for all."""
    found: list[Scorer | str] = []
    with nullcontext() if model is None else model.remembering():
        if model is not None:
            endings = [*variants(data.train, "balanced")[0], *variants(data.validation, "balanced")[0]]
            everything = dict.fromkeys((*data.train, *data.validation, *endings))
            _remember(model, list(everything), progress)
        for rival in rivals:
            try:
                found.append(rival.fit(data, progress))
            except TooFewPrompts as error:
                found.append(str(error).splitlines()[0])
    return found


def _scored(
    rivals: Sequence[Rival],
    scorers: Sequence[Scorer | str],
    prompts: Sequence[Prompt],
    model: LanguageModel | None,
    kept: KeptScores | None,
    progress: Progress,
) -> list[Float[np.ndarray, " prompt"] | str]:
    """Every scorer's scores, some hundred prompts at a time: their states never all lie in memory.

    Or why there are none: an endpoint that stops answering takes no other rival's hours with it.
    """
    parts: list[list[Float[np.ndarray, " prompt"]]] = [[] for _ in scorers]
    given = list(scorers)
    known = {} if kept is None else kept.read()
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        chunk = prompts[first : first + PROMPTS_AT_ONCE]
        names = [name_of(rival.identity, chunk) for rival in rivals]
        wanted = [
            number
            for number, (name, scorer) in enumerate(zip(names, given, strict=True))
            if name not in known and not isinstance(scorer, str)
        ]
        with nullcontext() if model is None else model.remembering():
            if model is not None and wanted:
                _remember(model, chunk, progress)
            for number in wanted:
                scorer = given[number]
                if isinstance(scorer, str):
                    continue
                try:
                    known[names[number]] = scorer(chunk, progress)
                except (BadData, ModelNotFound) as error:
                    given[number] = str(error).splitlines()[0]
                    continue
                if kept is not None:
                    kept.write(names[number], known[names[number]])
        for number, name in enumerate(names):
            if not isinstance(given[number], str):
                parts[number].append(known[name])
        progress("scoring", first + len(chunk), len(prompts))
    return [
        scorer if isinstance(scorer, str) else np.concatenate(part)
        for scorer, part in zip(given, parts, strict=True)
    ]


def _remember(model: LanguageModel, prompts: Sequence[Prompt], progress: Progress) -> None:
    model.capture([one.messages for one in prompts], positions=BOTH, dtype=None, progress=progress)


def _standing(
    name: str, scores: Float[np.ndarray, " prompt"], field: _Field, rates: Sequence[float]
) -> Standing:
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
    shares: dict[tuple[str, str], Float[np.ndarray, "rate resample"]], label: str, field: _Field
) -> tuple[Estimate, ...]:
    """Mean over the sets of one label, each counting the same."""
    chosen = [values for (of, _), values in shares.items() if of == label]
    n = sum(int(members.sum()) for (of, _), members in field.sets.items() if of == label)
    if not chosen:
        rates = len(next(iter(shares.values())))
        return tuple(Estimate(value=None, n=0) for _ in range(rates))
    return tuple(estimate(row, n=n) for row in np.mean(chosen, axis=0))


def _mean_of_pairs(
    scores: Float[np.ndarray, " prompt"], field: _Field, draws: Float[np.ndarray, "resample prompt"]
) -> Estimate:
    harmful = [members for (label, _), members in field.sets.items() if label == "harmful"]
    harmless = [members for (label, _), members in field.sets.items() if label == "harmless"]
    if not harmless:
        return Estimate(value=None, n=0)
    values = [
        _aurocs(scores, field.sample.harmful, draws, one | other) for one in harmful for other in harmless
    ]
    return estimate(np.mean(values, axis=0), n=int((~field.ordinary).sum()))


def _unavailable(name: str, rates: Sequence[float], why: str) -> Standing:
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
