"""Fitting a guard, from prompts to a manifest and its tensors. The public door is `Guard.fit`."""

import torch
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour
from latentguard.data import data_hash
from latentguard.guard.best import best, fit_cells
from latentguard.guard.calibration import Calibration, calibrate
from latentguard.guard.captured import Captured, capture_fit, staged
from latentguard.guard.categories import fit_categories
from latentguard.guard.cells import BOTH, Cells, mean_of, positions_read
from latentguard.guard.choice import Choice, mask
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.guard.manifest import Fitted, FittedOn, FittedUntrained, Manifest
from latentguard.guard.options import Options
from latentguard.guard.probe import Probe
from latentguard.guard.refusal import AT, RefusalFit, check_knows, clusters_among, fit_refusal, refusal_scores
from latentguard.guard.relatives import remembered_as
from latentguard.guard.text_baselines import TextBaselines, fit_text_baselines
from latentguard.guard.untrained import fit_untrained
from latentguard.lm import LanguageModel


def fit(
    model: LanguageModel,
    data: FittingData,
    options: Options,
    behaviour: Behaviour | None,
    *,
    progress: Progress,
) -> tuple[Manifest, dict[str, Tensor]]:
    """Everything `Guard.fit` promises; `behaviour` is None where no refusal belief is wanted."""
    slots = options.slots_read(model.n_blocks)
    why_not, counts = _refusal_unavailable(behaviour, data)
    captured = capture_fit(
        model,
        data,
        endings=options.endings,
        positions=_positions_read(options, with_refusal=why_not is None),
        slots=slots,
        progress=progress,
    )
    choice, probe = best(
        captured,
        methods=options.methods,
        positions=options.positions,
        runs=options.runs(model.n_blocks),
        progress=progress,
    )
    refusal = _refusal(captured, data, behaviour, options, model.n_blocks) if why_not is None else None
    tensors = _tensors(captured, choice, probe, refusal)
    calibrations = _calibrations(captured, data, choice, probe, refusal, options)
    for number in range(options.permutations):
        name = f"permuted_{number}"
        permuted = _permuted(
            captured, data, choice, options.seed + number, staged(progress, f"permutation {number}")
        )
        calibrations[name] = _calibrated(permuted, captured, choice.cells, data, options)
        tensors |= {f"{name}.weights": permuted.weights, f"{name}.bias": permuted.bias}
    categories, probes = (
        fit_categories(captured, data, choice, progress=progress) if options.categories else ((), {})
    )
    tensors |= probes
    progress("fitting text baselines", 0, 1)
    text = fit_text_baselines(data.train)
    progress("fitting text baselines", 1, 1)
    calibrations |= _text_calibrations(text, data, options)
    del captured
    untrained = _untrained(model, data, max(choice.cells.slots), options, tensors, calibrations, progress)
    manifest = Manifest(
        model=model.identity(),
        proof=model.proved(),
        fitted=_fitted(choice, options),
        refusal=None if refusal is None else refusal.record,
        refusal_unavailable=why_not,
        behaviour=counts,
        calibrations=calibrations,
        untrained=untrained,
        permutations=options.permutations,
        categories=categories,
        text=text,
        data=_fitted_on(data),
    )
    return manifest, {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def _positions_read(options: Options, *, with_refusal: bool) -> tuple[str, ...]:
    """t_inst for the harmfulness centroids, what the probe may read, and where refusal is read."""
    wanted = {"t_inst", *positions_read(options.positions), *((AT,) if with_refusal else ())}
    return tuple(name for name in BOTH if name in wanted)


def _refusal_unavailable(behaviour: Behaviour | None, data: FittingData) -> tuple[str | None, dict[str, int]]:
    if behaviour is None:
        return "the model was not asked to reply when this guard was fitted", {}
    check_knows(behaviour, data.train)
    part, found = clusters_among(behaviour, data.train)
    return found.too_few, part.counts()


def _refusal(
    captured: Captured,
    data: FittingData,
    behaviour: Behaviour | None,
    options: Options,
    n_blocks: int,
) -> RefusalFit | None:
    if behaviour is None:
        return None
    return fit_refusal(
        captured.train.at(AT),
        captured.train_owners,
        captured.written.at(AT).float(),
        data.validation,
        behaviour,
        slots=captured.train.slots,
        runs=options.runs(n_blocks),
    )


def _tensors(
    captured: Captured, choice: Choice, probe: Probe, refusal: RefusalFit | None
) -> dict[str, Tensor]:
    """The guard's probe, and the centroids of both beliefs."""
    at_instruction = Cells(("t_inst",), choice.cells.slots).of(captured.train)
    harmful = captured.train_harmful
    tensors = {
        "probe.weights": probe.weights,
        "probe.bias": probe.bias,
        "harmfulness.positive": mean_of(at_instruction, harmful),
        "harmfulness.negative": mean_of(at_instruction, ~harmful),
    }
    if refusal is not None:
        tensors |= {"refusal.positive": refusal.positive, "refusal.negative": refusal.negative}
    return tensors


def _calibrated(
    probe: Probe, captured: Captured, cells: Cells, data: FittingData, options: Options
) -> Calibration:
    scores = probe.scores(cells.of(captured.written)).double().numpy()
    return calibrate(scores, is_harmful(data.validation).numpy(), target_fpr=options.target_fpr)


def _calibrations(
    captured: Captured,
    data: FittingData,
    choice: Choice,
    probe: Probe,
    refusal: RefusalFit | None,
    options: Options,
) -> dict[str, Calibration]:
    found = {"guard": _calibrated(probe, captured, choice.cells, data, options)}
    if refusal is not None:
        states = Cells((AT,), refusal.record.slots).of(captured.written).float()
        scores = refusal_scores(states, refusal.positive, refusal.negative)
        found["refusal_belief"] = calibrate(
            scores, is_harmful(data.validation).numpy(), target_fpr=options.target_fpr
        )
    return found


def _text_calibrations(text: TextBaselines, data: FittingData, options: Options) -> dict[str, Calibration]:
    harmful = is_harmful(data.validation).numpy()
    scored = {
        "length": text.length(data.validation),
        "final_punctuation": text.ending(data.validation),
        "tfidf": text.tfidf(data.validation),
    }
    return {
        name: calibrate(scores, harmful, target_fpr=options.target_fpr) for name, scores in scored.items()
    }


def _permuted(captured: Captured, data: FittingData, choice: Choice, seed: int, progress: Progress) -> Probe:
    """The guard's method on the guard's cells, with the labels of the training prompts shuffled."""
    labels = is_harmful(data.train)
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    label_of = {prompt: bool(label) for prompt, label in zip(data.train, shuffled, strict=True)}
    return fit_cells(
        choice.cells.of(captured.train),
        mask(label_of[owner] for owner in captured.train_owners),
        choice.method,
        stage=f"fitting {choice.method}",
        progress=progress,
    )


def _untrained(
    model: LanguageModel,
    data: FittingData,
    deepest: int,
    options: Options,
    tensors: dict[str, Tensor],
    calibrations: dict[str, Calibration],
    progress: Progress,
) -> tuple[FittedUntrained, ...]:
    """Fit the copies one after the other; their probes join `tensors`, their calibrations `calibrations`."""
    records: list[FittedUntrained] = []
    for number in range(options.untrained_copies):
        found = fit_untrained(
            model,
            data,
            seed=options.seed + number,
            methods=options.methods,
            positions=options.positions,
            runs=options.runs(deepest),
            endings=options.endings,
            target_fpr=options.target_fpr,
            progress=progress,
        )
        name = f"untrained_{number}"
        calibrations[name] = found.calibration
        tensors |= {f"{name}.weights": found.probe.weights, f"{name}.bias": found.probe.bias}
        records.append(found.record)
    return tuple(records)


def _fitted(choice: Choice, options: Options) -> Fitted:
    return Fitted(
        method=choice.method,
        positions=choice.cells.positions,
        slots=choice.cells.slots,
        validation_auroc=choice.auroc,
        considered=choice.considered,
        target_fpr=options.target_fpr,
        endings=options.endings,
        seed=options.seed,
    )


def _fitted_on(data: FittingData) -> FittedOn:
    train, validation = is_harmful(data.train), is_harmful(data.validation)
    return FittedOn(
        train_harmful=int(train.sum()),
        train_harmless=int((~train).sum()),
        validation_harmful=int(validation.sum()),
        validation_harmless=int((~validation).sum()),
        train_hash=data_hash(data.train),
        validation_hash=data_hash(data.validation),
        seen=tuple(
            sorted({mark for prompt in (*data.train, *data.validation) for mark in remembered_as(prompt)})
        ),
    )
