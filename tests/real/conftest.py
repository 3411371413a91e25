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

    with own_cores():
        return latentguard.load(real_model_path)


@pytest.fixture(autouse=True)
def every_core() -> Iterator[None]:
    """The matrices here are large enough for more than one thread, which the other tests keep to."""
    with own_cores():
        yield


@contextmanager
def own_cores() -> Iterator[None]:
    """Every core of this machine, or this process's share where the tests run in several."""
    import torch

    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, cores // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    try:
        yield
    finally:
        torch.set_num_threads(before)
