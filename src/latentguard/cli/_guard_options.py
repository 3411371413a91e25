"""A fitted guard on the command line, and the model that it reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard._text import inert
from latentguard.cli import _options
from latentguard.errors import ArtefactMismatch, LatentGuardError, ModelNotFound

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
    blocks: int | None = None,
) -> "tuple[FittedGuard, LanguageModel]":
    """The guard in `folder`, and its model: the one that was named, or the one it was fitted on; its first
    `blocks` blocks, or all.

    A folder or file that the guard was fitted on is never looked for on the hub, where its name may be a
    stranger's. Raises `ArtefactMismatch` where the folder holds no sound guard, or one of another model, and
    `ModelNotFound`.
    """
    output.bars("reading the guard", 0, 0)
    from latentguard.guard import Guard, read_manifest

    fitted_on = read_manifest(folder).model
    output.bars("reading the guard", 1, 1)
    if model is None and fitted_on.elsewhere:
        raise ModelNotFound(
            f"the model of the guard in {inert(str(folder))} is not here.\n"
            f"  It was fitted on {inert(fitted_on.name)!r}, a folder or file; where it lay is not recorded.\n"
            "  Name its place with --model."
        )
    try:
        loaded = _options.load_model(
            fitted_on.name if model is None else model,
            output,
            device=device,
            dtype=dtype,
            revision=fitted_on.revision if model is None else None,
            blocks=blocks,
        )
    except ModelNotFound as error:
        if model is not None:
            raise
        raise _named(error) from error
    try:
        guard = Guard.load(folder, loaded, transfer=transfer)
    except ArtefactMismatch as error:
        given = loaded.identity()
        same_weights = fitted_on.same_weights(given)
        if model is not None or same_weights or given.quantisation != fitted_on.quantisation:
            raise  # another place would not help
        raise _named(error) from error
    for note in guard.notes:
        output.note(note)
    return guard, loaded


def _named(error: LatentGuardError) -> LatentGuardError:
    """The same error about a model that the user did not name, with the way to do so."""
    return type(error)(
        f"{error}\n  The guard was fitted on a model of that name. Where it is, --model can say."
    )
