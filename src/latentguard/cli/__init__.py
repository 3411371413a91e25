"""The command line: parses, calls, prints. `main` is the program `latentguard`."""

from latentguard.cli._main import main

__all__ = ["main"]
