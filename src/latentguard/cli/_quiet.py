"""The libraries below are told to keep their warnings and bars to themselves; `--verbose` leaves them be.

This package's own warnings stay: one line each, on standard error.
"""

import logging
import os
import sys
import warnings
from typing import TextIO

from latentguard._text import inert

_LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "huggingface_hub",
    "datasets",
    "sklearn",
    "gguf",
    "plotly",
)


def before_heavy_imports() -> None:
    """Set what torch, transformers and huggingface_hub read when they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for logger in ("torchao", "torch.utils._pytree"):  # loaded by transformers wherever torchao is installed
        logging.getLogger(logger).setLevel(logging.ERROR)
    for library in _LIBRARIES:
        warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
    warnings.showwarning = _one_line


def after_heavy_imports() -> None:
    """Switch off the bars that loading weights would draw beside this program's own."""
    import transformers

    if os.environ.get("TRANSFORMERS_VERBOSITY") == "error":
        transformers.logging.disable_progress_bar()


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {inert(str(message))}", file=file or sys.stderr)
