"""What a call ends with: a user's mistake in one clear message, a bug with its traceback.

| code | meaning |
|---|---|
| 0 | done |
| 1 | a check failed (`organism verify`) |
| 2 | bad input: options, files, models, artefacts |
| 70 | a bug in this program; its traceback is shown |
| 130 | interrupted |
"""

import sys
import traceback
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from latentguard._text import inert
from latentguard.errors import LatentGuardError

CHECK_FAILED = 1
BAD_INPUT = 2
BUG = 70
INTERRUPTED = 130


class OutputRefused(LatentGuardError):
    """The place where a result should go cannot be written, or holds something that is not ours."""


def exit_code_of(call: Callable[[], object]) -> int:
    """Run `call` and turn how it ended into an exit code, with its message on standard error."""
    try:
        result = call()
    except LatentGuardError as error:
        _say(type(error).__name__, str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        _say("Interrupted", "nothing half-written was left behind.")
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_went_away()
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of the argument parser, old or new
            return _usage(error)
        if type(error).__name__ == "Abort":
            return INTERRUPTED
        return _bug(error)
    return result if isinstance(result, int) else 0


def _say(name: str, message: str) -> None:
    first, *rest = message.splitlines() or [""]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble((f"{name}: ", "bold red"), inert(first)))
    for line in rest:
        console.print(Text(inert(line)))


def _usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    _say("Usage", error.format_message())  # type: ignore[attr-defined]
    if context is not None:
        print(f"Try '{context.command_path} --help'.", file=sys.stderr)
    return BAD_INPUT


def _bug(error: Exception) -> int:
    for line in "".join(traceback.format_exception(error)).splitlines():
        print(inert(line), file=sys.stderr)
    print(
        "\nThis is a bug in latentguard. Please report it with what `latentguard doctor` prints.",
        file=sys.stderr,
    )
    return BUG


def _reader_went_away() -> int:
    """Whoever read our output closed it (`| head`): end in silence, as the shell expects."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13
