"""`latentguard fit [MODEL]`: a guard from labelled prompts, into a folder."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._data_options import Source
from latentguard.cli._folders import new_folder
from latentguard.cli._output import Output, shown, speaking, table

if TYPE_CHECKING:
    from latentguard.guard import Guard
    from latentguard.lm import LanguageModel

WRITTEN = frozenset({"guard.json", "guard.safetensors"})


class Method(StrEnum):
    """How a guard reads harm from states."""

    auto = "auto"
    belief = "belief"
    mean_difference = "mean_difference"
    lda = "lda"
    logistic = "logistic"


class Position(StrEnum):
    """The token at which a guard reads."""

    auto = "auto"
    t_inst = "t_inst"
    t_post_inst = "t_post_inst"
    both = "both"


class Endings(StrEnum):
    """How fitting prompts end."""

    balanced = "balanced"
    as_written = "as_written"


Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for guard.json and guard.safetensors.")
]
MethodOption = Annotated[
    Method, typer.Option("--method", help="belief is the paper's; auto is chosen on validation prompts.")
]
PositionOption = Annotated[
    Position,
    typer.Option("--position", help="The last token of the user's words, of the whole prompt, or both."),
]
EndingsOption = Annotated[
    Endings,
    typer.Option("--endings", help="balanced: every fitting prompt with each final mark. as_written: none."),
]
TargetFpr = Annotated[
    float | None,
    typer.Option(
        "--target-fpr", min=0.0, max=1.0, help="Threshold with this share of false alarms on validation."
    ),
]


def fit(
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    out: Out = Path("latentguard-guard"),
    method: MethodOption = Method.auto,
    position: PositionOption = Position.t_inst,
    endings: EndingsOption = Endings.balanced,
    target_fpr: TargetFpr = None,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Fit a guard on labelled prompts: the package's own matched pairs, or --harmful and --harmless.

    Slots and threshold are chosen on validation prompts only.
    """
    with speaking(as_json=as_json) as output, new_folder(out, ours=WRITTEN) as folder:
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        given = None if sources is None else fitting_data(sources, output, seed=seed)
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        data = given or default_data(loaded, output, seed=seed)
        _data_options.check_rendering(loaded, sources or [], output, endings=endings.value)
        from latentguard.guard import Guard

        fitted = Guard.fit(
            loaded,
            **data,
            method=method.value,
            position=position.value,
            endings=endings.value,
            target_fpr=target_fpr,
            seed=seed,
            progress=output.bars,
        )
        fitted.save(folder)
        _show(fitted, out, output)


def fitting_data(sources: list[Source], output: Output, *, seed: int) -> dict[str, Any]:
    """What `Guard.fit` is given of the user's. Raises `TooFewPrompts` where it could not be split."""
    output.bars(_data_options.PREPARING, 0, 0)
    from latentguard.guard import fitting_data as fitting

    harmful, harmless = _data_options.by_class(_data_options.prompts_of(sources))
    with _data_options.naming(sources):
        fitting.fitting_data(harmful, harmless, None, seed=seed)
    output.bars(_data_options.PREPARING, 1, 1)
    return {"harmful": harmful, "harmless": harmless}


def default_data(model: "LanguageModel", output: Output, *, seed: int) -> dict[str, Any]:
    """What it is given without files: the train and validation parts of the model's default data."""
    output.bars(_data_options.PREPARING, 0, 0)
    from latentguard.report import default_data

    split = default_data(model, seed=seed).split
    output.bars(_data_options.PREPARING, 1, 1)
    return {"harmful": split}


def _show(guard: "Guard", out: Path, output: Output) -> None:
    manifest = guard.manifest
    output.record(
        {"out": str(out), "notes": list(guard.notes)}
        | manifest.model_dump(mode="json", exclude={"text": True, "calibrations": True, "data": {"seen"}})
    )
    fitted, data = manifest.fitted, manifest.data
    facts = {
        "model": manifest.model.name,
        "method": f"{fitted.method} at {' and '.join(fitted.positions)}",
        "slots": ", ".join(map(str, fitted.slots)),
        "fitted on": f"{data.train_harmful} harmful, {data.train_harmless} harmless; {fitted.endings}",
        "chosen on": f"{data.validation_harmful} harmful, {data.validation_harmless} harmless prompts",
        "AUROC there": f"{fitted.validation_auroc:.3f}, the best of {fitted.considered} (not a test)",
        "threshold": f"{manifest.calibration.threshold:.4f}",
        "kinds of harm": ", ".join(f"{one.name} {one.validation_auroc:.2f}" for one in manifest.categories)
        or "not told apart",
        "saved in": str(out),
    }
    rows = table("guard", "")
    for name, value in facts.items():
        rows.add_row(name, shown(value))
    output.show(rows)
    for note in guard.notes:
        output.note(note)
