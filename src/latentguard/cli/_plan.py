"""What long work would cost, shown in place of the work: the answer of every --dry-run."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from latentguard.cli._output import Output
    from latentguard.lm.forecast import Forecast

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")]


def show_plan(found: "Forecast", output: "Output") -> None:
    """Forward passes, tokens, minutes on this machine, and memory."""
    output.record(
        {
            "forwards": round(found.forwards),
            "tokens": round(found.tokens),
            "minutes": round(found.minutes, 1),
            "gigabytes": round(found.gigabytes, 2),
        }
    )
    output.show(
        f"About {found.forwards:,.0f} forward passes of {found.tokens:,.0f} tokens in all: "
        f"{found.minutes:.1f} minutes here, and {found.gigabytes:.1f} GB of memory."
    )
