"""`latentguard organism train|verify|attack`: rebuild the bundled model, measure it, and fine-tune it."""

from dataclasses import asdict
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentguard.cli import _options
from latentguard.cli._errors import CHECK_FAILED
from latentguard.cli._folders import new_folder
from latentguard.cli._output import shown, speaking, table

if TYPE_CHECKING:
    from latentguard.verify import Line

ATTACKED = frozenset(
    {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "attack.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
)
organism_commands = typer.Typer(help="The small model with planted behaviour that ships with the package.")

WRITTEN = frozenset(
    {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "planted.safetensors",
        "planted.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }
)


@organism_commands.callback()
def organism() -> None:
    """The small model with planted behaviour that ships with the package."""


@organism_commands.command()
def train(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the trained model.")],
    idle: Annotated[
        bool, typer.Option("--idle", help="The negative control: its harmfulness belief moves nothing.")
    ] = False,
    seed: _options.Seed = 0,
    as_json: _options.Json = False,
) -> None:
    """Rebuild the organism by its recipe: under 30 minutes on two cores."""
    with speaking(as_json=as_json) as output, new_folder(out, ours=WRITTEN) as folder:
        output.bars("preparing", 0, 0)
        from latentguard import organism

        organism.train(folder, seed=seed, idle=idle, progress=output.bars)
        output.record({"out": str(out), "seed": seed, "idle": idle})
    output.show(f"The organism of seed {seed} is in {out}. Measure it: latentguard organism verify {out}")


class Method(StrEnum):
    """How the organism is fine-tuned."""

    lora = "lora"
    full = "full"


@organism_commands.command()
def attack(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the attacked organism.")],
    pairs: Annotated[
        int, typer.Option(min=1, max=2000, help="Harmful requests with compliant answers.")
    ] = 100,
    method: Annotated[
        Method, typer.Option("--method", help="lora writes a PEFT adapter, full a whole model.")
    ] = Method.lora,
    seed: _options.Seed = 0,
    as_json: _options.Json = False,
) -> None:
    """Fine-tune the organism to accept what it refused, and no other model: a subject for `compare`."""
    with speaking(as_json=as_json) as output, new_folder(out, ours=ATTACKED) as folder:
        output.bars("preparing", 0, 0)
        from latentguard.organism import attack as fine_tuned

        made = fine_tuned(folder, pairs=pairs, method=method.value, seed=seed, progress=output.bars)
        output.record({"out": str(out)} | asdict(made))
    output.show(f"The attacked organism is in {out}. Compare it: latentguard compare organism {out}")


@organism_commands.command()
def verify(
    model: _options.Model = "organism",
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    as_json: _options.Json = False,
) -> None:
    """What is planted in the organism against what is measured; exits 1 where a line misses its bound."""
    with speaking(as_json=as_json) as output:
        loaded = _options.load_model(
            model, output, device=device, dtype=_options.Dtype.float32, revision=None
        )
        from latentguard.verify import verify_organism

        lines = verify_organism(loaded, seed=seed, progress=output.bars)
        rows = table("claim", "bound", "measured", "95 %", "n", "", numbers=("bound", "measured", "n"))
        for line in lines:
            rows.add_row(
                shown(f"{line.name} ({line.note})" if line.note else line.name),
                line.bound,
                _measured(line),
                _interval(line),
                str(line.n),
                "ok" if line.passed else "MISSED",
            )
            output.record(_record(line))
        output.show(rows)
        missed = sum(not line.passed for line in lines)
        output.show(f"{len(lines) - missed} of {len(lines)} lines hold.")
    if missed:
        raise typer.Exit(CHECK_FAILED)


def _measured(line: "Line") -> str:
    return f"{line.measured:.3f}" if isfinite(line.measured) else "-"


def _interval(line: "Line") -> str:
    low, high = line.interval
    return f"{low:.3f} to {high:.3f}" if isfinite(low) and isfinite(high) else "-"


def _record(line: "Line") -> dict[str, Any]:
    """A line as plain values; JSON has no NaN, so what was not measured is null."""
    return asdict(line) | {
        "measured": line.measured if isfinite(line.measured) else None,
        "interval": line.interval if all(map(isfinite, line.interval)) else None,
    }
