"""`latentguard serve`: the guard behind OpenAI's moderation endpoint, and in front of its model's answers."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _guard_options, _options
from latentguard.cli._output import Output, shown, speaking, table

if TYPE_CHECKING:
    from latentguard.serve import Engine, Settings, State

_NOT_INSTALLED = (
    "the server needs FastAPI, uvicorn and what else the extra names.\n  pip install 'latentguard[serve]'"
)


class PolicyChoice(StrEnum):
    """What happens to a flagged prompt of a chat."""

    block = "block"
    annotate = "annotate"
    allow = "allow"


def serve(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="The model that the guard reads; the guard's own by default."),
    ] = None,
    guard: Annotated[
        Path | None,
        typer.Option("--guard", metavar="DIR", help="Folder of the guard, as latentguard fit writes it."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings in TOML; flags beat them.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen at; 0 takes a free one. [default: 8000]")
    ] = None,
    policy: Annotated[
        PolicyChoice | None,
        typer.Option(
            help="block: a flagged prompt gets no answer. annotate: it says so. allow: neither. "
            "[default: block]"
        ),
    ] = None,
    shadow: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of a second guard that judges every prompt too, and only counts."
        ),
    ] = None,
    sidecar: Annotated[
        bool | None,
        typer.Option(
            "--sidecar",
            help="Load only the blocks that the guards read, beside an engine that answers the chats. "
            "[default: off]",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda, cuda:1, mps ..., or spread: over all GPUs. [default: auto]"),
    ] = None,
    dtype: Annotated[
        _options.Dtype | None, typer.Option(help="auto is chosen by measurement and printed. [default: auto]")
    ] = None,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print every setting and what it is, and stop.")
    ] = False,
    as_json: _options.Json = False,
) -> None:
    """Serve /v1/moderations and guarded /v1/chat/completions for clients of OpenAI's, until SIGTERM.

    Settings come from flags, LATENTGUARD_SERVE_... in the environment, and --config, in this order.
    """
    with speaking(as_json=as_json) as output:
        try:
            from latentguard.serve import State, settings_of
            from latentguard.serve import serve as run
        except ModuleNotFoundError as error:
            raise typer.BadParameter(f"{_NOT_INSTALLED} (missing: {error.name})") from error
        settings = settings_of(
            config,
            guard=guard,
            model=model,
            host=host,
            port=port,
            policy=None if policy is None else policy.value,
            shadow=shadow,
            sidecar=sidecar,
            device=device,
            dtype=None if dtype is None else dtype.value,
        )
        if show_settings:
            _show(settings, output)
            return
        _check_guards(settings)
        state = State(settings)

        def announced(address: str) -> None:
            with output.unheard():
                output.show(f"Listening at {address}; /readyz says when the model is loaded. Ctrl-C drains.")
                output.record({"address": address})

        try:
            run(state, lambda state: _engine(state, output), announced)
        finally:
            if state.loading:  # the interpreter would wait until the model is loaded, and nobody else does
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0 if sys.exc_info()[0] is None else 1)


def _check_guards(settings: "Settings") -> int:
    """How many blocks the guards read, and what else can be told before a model is loaded: that they are
    guards, and that a sidecar can know their model from a part of it. Raises `ArtefactMismatch`."""
    from latentguard.guard import blocks_read, no_beginnings, read_manifest

    deepest = 0
    for folder in (settings.guard, *(() if settings.shadow is None else (settings.shadow,))):
        manifest = read_manifest(folder)
        if settings.sidecar and manifest.model.beginnings is None:
            raise no_beginnings(f"the guard in {folder}")
        deepest = max(deepest, blocks_read(manifest))
    return deepest


def _engine(state: "State", output: Output) -> "Engine":
    from latentguard.guard import Guard
    from latentguard.serve import Engine

    settings = state.settings
    guard, model = _guard_options.load_guard(
        settings.guard,
        output,
        model=settings.model,
        transfer=False,
        device=settings.device,
        dtype=_options.Dtype(settings.dtype),
        blocks=_check_guards(settings) if settings.sidecar else None,
    )
    shadow: Guard | None = None if settings.shadow is None else Guard.load(settings.shadow, model)
    return Engine(model, guard, settings.guard, shadow)


def _show(settings: "Settings", output: Output) -> None:
    rows = table("setting", "value", "")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        output.record({"setting": name, "value": str(value), "description": field.description})
        rows.add_row(name, shown(str(value)), shown(field.description or ""))
    output.show(rows)
