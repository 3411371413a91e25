"""The real model of these tests, loaded once, with the threads it needs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from latentguard.lm import LanguageModel


@pytest.fixture(scope="session")
def real_model(real_model_path: Path) -> "LanguageModel":
    """Qwen2.5-Coder-0.5B-Instruct, from its vendor's own GGUF file."""
    import latentguard

    with on_every_core():
        return latentguard.load(real_model_path)


@pytest.fixture(autouse=True)
def every_core() -> Iterator[None]:
    """The matrices here are large enough for every core; the other tests keep their one thread."""
    with on_every_core():
        yield


@contextmanager
def on_every_core() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        yield
    finally:
        torch.set_num_threads(before)
