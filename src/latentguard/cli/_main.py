"""The program `latentguard`: its commands, and the exit code of a call."""

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

import latentguard
from latentguard.cli import _quiet
from latentguard.cli._errors import exit_code_of
from latentguard.cli._many_files import ManyFiles
from latentguard.cli.ablations import ablations
from latentguard.cli.audit import audit
from latentguard.cli.calibrate import calibrate
from latentguard.cli.check import check
from latentguard.cli.compare import compare
from latentguard.cli.doctor import doctor
from latentguard.cli.evaluate import evaluate
from latentguard.cli.fit import fit
from latentguard.cli.fit_answers import fit_answers
from latentguard.cli.hub import hub_commands
from latentguard.cli.jailbreaks import jailbreaks
from latentguard.cli.organism import organism_commands
from latentguard.cli.report import report
from latentguard.cli.reproduce import reproduce_commands
from latentguard.cli.rivals import rivals
from latentguard.cli.score import score
from latentguard.cli.serve import serve
from latentguard.cli.steer import steer

app = typer.Typer(
    name="latentguard",
    help="Reads what an open-weight chat model believes about a request, apart from whether it will refuse.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 bad input, 70 a bug in latentguard, 130 interrupted.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=ManyFiles)(audit)
app.command(cls=ManyFiles)(fit)
app.command("fit-answers", cls=ManyFiles)(fit_answers)
app.command()(calibrate)
app.command()(score)
app.command()(serve)
app.command(cls=ManyFiles)(evaluate)
app.command(cls=ManyFiles)(ablations)
app.command(cls=ManyFiles)(rivals)
app.command(cls=ManyFiles)(jailbreaks)
app.command(cls=ManyFiles)(compare)
app.command(cls=ManyFiles)(steer)
app.command()(report)
app.add_typer(hub_commands, name="hub")
app.add_typer(reproduce_commands, name="reproduce")
app.add_typer(organism_commands, name="organism")
app.command()(check)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what torch and transformers say, too.")
    ] = False,
) -> None:
    if version:
        print(latentguard.__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit
    if not verbose:
        _quiet.before_heavy_imports()


def run(arguments: Sequence[str]) -> int:
    """Run one call of the program; errors of the user are printed, never raised. Returns the exit code."""
    return exit_code_of(
        lambda: app(list(arguments), prog_name="latentguard", standalone_mode=False, obj=tuple(arguments))
    )


def main() -> NoReturn:
    """The entry point: like `run` on the process's own arguments, then the process ends."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without a character shows its code
    signal.signal(signal.SIGTERM, terminated)
    sys.exit(run(sys.argv[1:]))


def _open_what_is_closed() -> None:
    """Standard output and error that are closed (`>&-`) lead nowhere, and no other file takes their place."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.fstat(number)
            except OSError:
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(nowhere, "w"))


def terminated(number: int, _: FrameType | None) -> NoReturn:
    """End as an exception does, so that nothing half-written stays."""
    sys.exit(128 + number)
