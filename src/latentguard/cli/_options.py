"""Options that several commands share, each written once: its name, its type and its help."""

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard._paths import BUNDLED, existing_path
from latentguard.cli._hub import ask_hub_once

if TYPE_CHECKING:
    from latentguard.cli._output import Output
    from latentguard.lm import LanguageModel

SMALL = 50_000_000
"""Parameters under which a model runs on one thread."""


class Dtype(StrEnum):
    """The number format a model runs in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A hub id, a local folder, a GGUF file (model.gguf or repo:file.gguf), or 'organism', "
        "the small model with planted behaviour that ships with the package ('organism-idle': its "
        "negative control).",
        show_default="organism",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps ..., or spread: over all GPUs.")]
DtypeOption = Annotated[Dtype, typer.Option("--dtype", help="auto is chosen by measurement and printed.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else there.")]


def command_line(context: typer.Context) -> str:
    """The call as it was typed, for the record of where a number comes from."""
    return shlex.join(["latentguard", *context.obj])


def load_model(
    name: str,
    output: "Output",
    *,
    device: str,
    dtype: Dtype,
    revision: str | None,
    base: str | None = None,
    blocks: int | None = None,
) -> "LanguageModel":
    """The proved model, with what it has to say about itself on standard error.

    `base`: the model that `name` is merged into, where that is the folder of an adapter. `blocks`: how many
    of its blocks are loaded; None for all.
    """
    output.bars("loading the model", 0, 0)
    import latentguard
    from latentguard.cli import _quiet

    if name not in BUNDLED and existing_path(name) is None:
        ask_hub_once(output)
    _quiet.after_heavy_imports()
    from latentguard.lm.adapter import is_adapter

    adapter = None
    if base is not None and name not in BUNDLED and is_adapter(name):
        name, adapter = base, name
    model = latentguard.load(
        name, device=device, dtype=dtype.value, revision=revision, adapter=adapter, blocks=blocks
    )
    _suit_threads(model)
    output.bars("loading the model", 1, 1)
    for note in model.notes:
        output.note(note)
    return model


def _suit_threads(model: "LanguageModel") -> None:
    """One thread for a small model: its matrices are too small to share, and a second thread only spins."""
    import torch

    if sum(parameter.numel() for parameter in model.module.parameters()) < SMALL:
        torch.set_num_threads(1)
