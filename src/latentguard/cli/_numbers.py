"""Lists of numbers on the command line, as `0.5,1,2`."""

import typer


def numbers(given: str, option: str, *, below: float, what: str) -> tuple[float, ...]:
    """Different numbers above 0 and below `below`, in their order. Raises a usage error that says `what`."""
    try:
        found = tuple(dict.fromkeys(float(part) for part in given.split(",")))
    except ValueError:
        found = ()
    if not found or not all(0 < one < below for one in found):
        raise typer.BadParameter(f"{given!r} is no list of {what} is.", param_hint=option)
    return found
