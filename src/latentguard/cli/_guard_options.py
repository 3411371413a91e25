"""A fitted guard on the command line, and the model that it reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _options
from latentguard.errors import ModelNotFound

if TYPE_CHECKING:
    from latentguard.cli._output import Output
    from latentguard.guard import Guard as FittedGuard
    from latentguard.lm import LanguageModel

Guard = Annotated[Path, typer.Option("--guard", metavar="DIR", help="Folder of a fitted guard.")]
GuardsModel = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="The guard's model, where its recorded name is no place."),
]
Transfer = Annotated[
    bool,
    typer.Option(
        "--transfer", help="Use the guard beside a model it was not fitted on; every verdict records that."
    ),
]


def load_guard(
    folder: Path,
    output: "Output",
    *,
    model: str | None,
    transfer: bool,
    device: str,
    dtype: _options.Dtype,
) -> "tuple[FittedGuard, LanguageModel]":
    """The guard in `folder`, and its model: the one that was named, or the one it was fitted on.

    Raises `ArtefactMismatch` where the folder holds no sound guard, or one of another model.
    """
    from latentguard.guard import Guard, read_manifest

    fitted_on = read_manifest(folder).model
    revision = fitted_on.revision if model is None else None
    try:
        loaded = _options.load_model(
            model or fitted_on.name, output, device=device, dtype=dtype, revision=revision
        )
    except ModelNotFound as error:
        if model is not None:
            raise
        raise ModelNotFound(
            f"{error}\n  The guard was fitted on it. If it lies elsewhere, name it with --model."
        ) from error
    return Guard.load(folder, loaded, transfer=transfer), loaded
