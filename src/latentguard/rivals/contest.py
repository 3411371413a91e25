"""Rivals side by side: fitted on the same prompts, cut at the same false-positive rate, asked the same sets.

A threshold is the lowest score that flags at most a rate of the *ordinary* prompts: harmless ones that no
rival was fitted on and that are reported nowhere else. The share of each harmful set above it is recall, the
share of each harmless set above it false alarm, and on harmless prompts that look harmful, over-refusal.
Relatives of fitting prompts (the request behind a wrapping, equal texts) are left out and counted.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from latentguard._kept import KeptLines
from latentguard._progress import Progress, silent
from latentguard.data import Prompt, data_hash, ordered_hash
from latentguard.errors import BadData, ModelNotFound, TooFewPrompts
from latentguard.guard.captured import variants
from latentguard.guard.cells import BOTH
from latentguard.guard.fitting_data import FittingData
from latentguard.lm import Identity, LanguageModel
from latentguard.lm.forecast import Forecast, Tally
from latentguard.rivals.field import field_of
from latentguard.rivals.first_token import ASKED
from latentguard.rivals.records import Contest
from latentguard.rivals.rival import Rival, Scorer
from latentguard.rivals.standing import standing, unavailable

RATES: Final = (0.01, 0.05)
PROMPTS_AT_ONCE: Final = 256


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
    field = field_of(data, ordinary, test, seed=seed)
    n_ordinary = int(field.ordinary.sum())
    if n_ordinary * min(rates) < 1:
        raise TooFewPrompts(
            f"a false-positive rate of {min(rates):g} is cut on {round(1 / min(rates))} ordinary harmless "
            f"prompts at least; there are {n_ordinary}.\n  Give more of them, or a higher rate."
        )
    scorers = _fitted(rivals, data, model, progress)
    identity = None if model is None else model.identity()
    kept = None if folder is None else KeptLines(folder, "scores", _about(identity, data))
    names = _different([rival.name for rival in rivals])
    standings = [
        unavailable(name, rates, one) if isinstance(one, str) else standing(name, one, field, rates)
        for name, one in zip(
            names, _scored(rivals, scorers, field.prompts, model, kept, progress), strict=True
        )
    ]
    return Contest(
        command=command,
        model=identity,
        proof=None if model is None else model.proved(),
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


def _different(names: Sequence[str]) -> list[str]:
    """The same names, those that stand there already with a number behind them."""
    return [
        name if names[:index].count(name) == 0 else f"{name} ({names[:index].count(name) + 1})"
        for index, name in enumerate(names)
    ]


def _about(model: Identity | None, data: FittingData) -> str:
    """Everything that decides a score beside the rival and the prompt."""
    read = "no model" if model is None else model.deciding
    return f"{read} {ordered_hash(data.train)} {ordered_hash(data.validation)}"


def _name(rival: Rival, prompts: Sequence[Prompt]) -> str:
    """Under which its scores of these prompts are kept."""
    return hashlib.sha256(f"{rival.identity}\n{ordered_hash(prompts)}".encode()).hexdigest()[:24]


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
    kept: KeptLines | None,
    progress: Progress,
) -> list[Float[np.ndarray, " prompt"] | str]:
    """Every scorer's scores, some hundred prompts at a time: their states never all lie in memory.

    Or why there are none: an endpoint that stops answering takes no other rival's hours with it.
    """
    parts: list[list[Float[np.ndarray, " prompt"]]] = [[] for _ in scorers]
    given = list(scorers)
    known = (
        {}
        if kept is None
        else {name: np.array(scores, dtype=np.float64) for name, scores in kept.read().items()}
    )
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        chunk = prompts[first : first + PROMPTS_AT_ONCE]
        names = [_name(rival, chunk) for rival in rivals]
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
                    kept.write({names[number]: known[names[number]].tolist()})
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
