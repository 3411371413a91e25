"""From states to verdicts: one capture serves the score and both beliefs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import cell_of, layer_scores
from latentguard.guard.cells import Cells
from latentguard.guard.manifest import Manifest
from latentguard.guard.probe import Method, Probe, scores_together
from latentguard.guard.refusal import AT, refusal_scores
from latentguard.guard.verdict import InstructionEnd, Verdict
from latentguard.lm import States


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be captured to score a prompt, and nothing else."""

    positions: tuple[str, ...]
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Plain numbers of several prompts."""

    score: Float[np.ndarray, " prompt"]
    harmfulness: Float[np.ndarray, " prompt"]
    refusal: Float[np.ndarray, " prompt"] | None
    categories: Float[np.ndarray, "prompt category"]
    """Of each category's probe; no column where the guard has none."""
    permuted: tuple[Float[np.ndarray, " prompt"], ...] = ()
    """Scores of the probes fitted on permuted labels, where they were asked for."""


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of several chunks of prompts, one after the other."""
    if not parts:
        return Scores(np.zeros(0), np.zeros(0), None, np.zeros((0, 0)))
    refusal = [part.refusal for part in parts if part.refusal is not None]
    return Scores(
        score=np.concatenate([part.score for part in parts]),
        harmfulness=np.concatenate([part.harmfulness for part in parts]),
        refusal=np.concatenate(refusal) if refusal else None,
        categories=np.concatenate([part.categories for part in parts]),
        permuted=tuple(
            np.concatenate(chunks) for chunks in zip(*(part.permuted for part in parts), strict=True)
        ),
    )


def needs(manifest: Manifest) -> Needs:
    """Positions and slots of the score and of both beliefs."""
    refusal = manifest.refusal
    read = {"t_inst", *manifest.fitted.positions, *((AT,) if refusal is not None else ())}
    slots = {*manifest.fitted.slots, *(refusal.slots if refusal is not None else ())}
    return Needs(tuple(sorted(read)), tuple(sorted(slots)))


def probe_named(tensors: dict[str, Tensor], name: str, method: Method) -> Probe:
    """One of the probes that a guard holds, fitted by `method`: its own, a permuted one, or a copy's."""
    return Probe(tensors[f"{name}.weights"], tensors[f"{name}.bias"], unit_length=method == "belief")


def harmfulness(
    states: States, manifest: Manifest, tensors: dict[str, Tensor]
) -> Float[np.ndarray, " prompt"]:
    """The harmfulness belief at t_inst, over the guard's slots."""
    scores = layer_scores(
        Cells(("t_inst",), manifest.fitted.slots).of(states),
        tensors["harmfulness.positive"],
        tensors["harmfulness.negative"],
    )
    return scores.mean(dim=1).double().numpy()


def scored(
    states: States, manifest: Manifest, tensors: dict[str, Tensor], *, permutations: int = 0
) -> Scores:
    """Score and beliefs of captured prompts, and the scores of that many permuted probes."""
    refusal = None
    if manifest.refusal is not None:
        refusal = refusal_scores(
            Cells((AT,), manifest.refusal.slots).of(states),
            tensors["refusal.positive"],
            tensors["refusal.negative"],
        )
    read = manifest.fitted.cells.of(states)
    names = ["probe", *(f"category_{number}" for number in range(len(manifest.categories)))]
    names += [f"permuted_{number}" for number in range(permutations)]
    probes = [probe_named(tensors, name, manifest.fitted.method) for name in names]
    score, *others = scores_together(probes, read).double().numpy()
    categories, permuted = others[: len(manifest.categories)], others[len(manifest.categories) :]
    return Scores(
        score=score,
        harmfulness=harmfulness(states, manifest, tensors),
        refusal=refusal,
        categories=np.stack(categories, axis=1) if categories else np.zeros((len(read), 0)),
        permuted=tuple(permuted),
    )


def verdicts(
    scores: Scores, manifest: Manifest, transfer: tuple[str, ...], read_at: InstructionEnd = "t_inst"
) -> list[Verdict]:
    """One verdict a prompt."""
    found: list[Verdict] = []
    for index, score in enumerate(scores.score.tolist()):
        flagged = manifest.calibration.flags(score)
        refusal = None if scores.refusal is None else float(scores.refusal[index])
        refused = None
        if refusal is not None and manifest.refusal is not None:
            refused = refusal >= manifest.refusal.threshold
        found.append(
            Verdict(
                harmfulness=float(scores.harmfulness[index]),
                score=score,
                probability=manifest.calibration.probability(score),
                flagged=flagged,
                refusal=refusal,
                predicted_refused=refused,
                cell=None if refused is None else cell_of(harmful=flagged, refused=refused),
                category_scores={
                    category.name: category.calibration.probability(float(scores.categories[index, column]))
                    for column, category in enumerate(manifest.categories)
                },
                read_at=read_at,
                transfer=transfer,
            )
        )
    return found
