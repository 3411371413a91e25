"""The best guard that some options allow: every method on every cell, and the choice on validation prompts.

A guard and its untrained copies go through this same search: a control that had fewer tries than the guard
would look worse for that alone.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.guard.captured import Captured
from latentguard.guard.cells import Cells, Position, positions_read
from latentguard.guard.choice import Choice, choose
from latentguard.guard.methods import fit_probe
from latentguard.guard.probe import Method, Probe


def best(
    captured: Captured,
    *,
    methods: Sequence[Method],
    positions: Sequence[Position],
    runs: Sequence[Sequence[int]],
    progress: Progress,
) -> tuple[Choice, Probe]:
    """Which method, position and run of slots ranks the validation variants best, and its fitted probe."""
    read = Cells(positions_read(positions), captured.train.slots)
    states, validation = read.of(captured.train), read.of(captured.validation)
    probes: dict[Method, Probe] = {
        method: fit_cells(
            states, captured.train_harmful, method, stage=f"fitting {method}", progress=progress
        )
        for method in methods
    }
    scores: dict[Method, Tensor] = {method: probe.cell_scores(validation) for method, probe in probes.items()}
    owners = captured.validation_owners
    choice = choose(
        scores,
        read,
        captured.validation_harmful,
        positions=positions,
        slots=runs,
        variants=len(owners) // len(set(owners)),
    )
    return choice, probes[choice.method].at(choice.cells.within(read))


def fit_cells(
    states: Float[Tensor, "prompt cell hidden"],
    harmful: Bool[Tensor, " prompt"],
    method: Method,
    *,
    stage: str,
    progress: Progress,
) -> Probe:
    """`fit_probe`, one cell after the other: no cell knows of another, and each is a step of `stage`."""
    n_cells = states.shape[1]
    fitted: list[Probe] = []
    for cell in range(n_cells):
        fitted.append(fit_probe(states[:, cell : cell + 1], harmful, method))
        progress(stage, cell + 1, n_cells)
    return Probe(
        torch.cat([one.weights for one in fitted]),
        torch.cat([one.bias for one in fitted]),
        unit_length=fitted[0].unit_length,
    )
