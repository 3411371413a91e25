"""The prompts that rivals are measured on, none a relative of a fitting prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool

from latentguard.data import Prompt
from latentguard.errors import TooFewPrompts
from latentguard.guard.fitting_data import FittingData
from latentguard.guard.relatives import recognised_by, remembered_as
from latentguard.guard.sampling import RESAMPLES, Sample


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """The prompts that rivals are measured on, their draws, and which of them belong to what."""

    prompts: tuple[Prompt, ...]
    ordinary: Bool[np.ndarray, " prompt"]
    sample: Sample
    sets: dict[tuple[Literal["harmful", "harmless"], str], Bool[np.ndarray, " prompt"]]
    left_out: int
    unlabelled: int


def field_of(
    data: FittingData,
    ordinary: Sequence[Prompt],
    test: Sequence[Prompt] | Mapping[str, Sequence[Prompt]],
    *,
    seed: int,
) -> Field:
    """Relatives of fitting prompts are left out, and ordinary prompts that are tested, too.

    Raises `TooFewPrompts` where no harmful test prompt is left.
    """
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
    return Field(
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
