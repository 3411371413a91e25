"""A clear word where a package that an adapter speaks to is not installed."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def needed(package: str, extra: str = "adapters") -> Generator[None]:
    """Around imports of `package`: a `ModuleNotFoundError` of it names the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f"this adapter speaks to the package {package}, which is not installed.\n"
            f"  pip install 'latentguard[{extra}]'",
            name=error.name,
        ) from None
