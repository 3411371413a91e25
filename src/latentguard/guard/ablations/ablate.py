"""Both ablations of one model on the same prompts: every prompt runs once, whatever is fitted on it."""

from collections.abc import Sequence
from pathlib import Path

from latentguard._progress import Progress, silent
from latentguard.data import LABELS, Prompt, Split, data_hash
from latentguard.errors import TooFewPrompts
from latentguard.guard.ablations.by_size import DRAWS, SIZES, all_draws, by_size
from latentguard.guard.ablations.by_slot import by_slot
from latentguard.guard.ablations.record import Ablations
from latentguard.guard.captured import variants
from latentguard.guard.fitting_data import FittingData
from latentguard.lm import LanguageModel
from latentguard.lm.forecast import Forecast, Tally

AT_ONCE = 256


def ablate(
    model: LanguageModel,
    data: Split,
    *,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    fitted_on: str = "",
    command: str = "",
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Ablations:
    """`by_slot` and `by_size` on the same prompts. In `folder` states are kept as they are read, and what
    every guard scored: the same call goes on where it was stopped.

    Before anything is run it raises `TooFewPrompts` where a class is missing or no size is possible,
    `BadData` for a text in both classes, and `ValueError` for a size below 7.
    """
    FittingData(tuple(data.train), tuple(data.validation))
    possible = all_draws(data, sizes, draws, seed=seed)
    test = [one for one in data.test if one.label is not None]
    if {one.label for one in test} != set(LABELS):
        raise TooFewPrompts(f"the {len(test)} test prompts lack a class, and both are measured on.")
    with model.remembering(folder):
        _read(model, _everything(data), progress)
        by_slots = by_slot(model, data, seed=seed, progress=progress)
        by_sizes = by_size(model, data, sizes=sizes, draws=draws, seed=seed, folder=folder, progress=progress)
    return Ablations(
        command=command,
        model=model.identity(),
        proof=model.proved(),
        fitted_on=fitted_on,
        n_train=len(data.train),
        n_validation=len(data.validation),
        n_test=len(test),
        left_out=tuple(size for size in sizes if size not in possible),
        data_hash=data_hash([*data.train, *data.validation, *test]),
        seed=seed,
        sizes=tuple(by_sizes),
        slots=tuple(by_slots),
    )


def plan(model: LanguageModel, data: Split) -> Forecast:
    """The price of `ablate`: guards are fitted on states that were read once."""
    tally = Tally(model)
    read = _everything(data)
    tally.run([one.messages for one in read])
    tally.keep(len(read))
    return tally.total()


def _everything(data: Split) -> list[Prompt]:
    """Every prompt that is read, once: those to fit on with every ending, and all as they are."""
    pool = [*data.train, *data.validation]
    return list(dict.fromkeys([*variants(pool, "balanced")[0], *pool, *data.test]))


def _read(model: LanguageModel, prompts: Sequence[Prompt], progress: Progress) -> None:
    """Read them into the model's memory, some hundreds at a time."""
    for first in range(0, len(prompts), AT_ONCE):
        model.capture([one.messages for one in prompts[first : first + AT_ONCE]], dtype=None)
        progress("reading prompts", min(first + AT_ONCE, len(prompts)), len(prompts))
