"""What every test can lean on: checked shapes, no network, the organism, and the files that may be absent.

Tests marked `real`, `shared` or `browser` need something this repository does not hold. They skip with a
reason where it is missing; where LATENTGUARD_REQUIRE names their mark, such a skip is a failure.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
ROOMS_WITH_TENSORS = (
    "statistics",
    "lm",
    "data",
    "judge",
    "organism",
    "beliefs",
    "causal",
    "guard",
    "rivals",
    "compare",
    "verify",
    "report",
)
install_import_hook([f"latentguard.{room}" for room in ROOMS_WITH_TENSORS], "beartype.beartype")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from xdist.remote import Producer

    from latentguard.lm import LanguageModel
    from tests.by_file import ByFile

pytest_plugins = ("tests.required", "pytester")

REPOSITORY = Path(__file__).parent.parent
REAL_MODEL = "qwen2.5-coder-0.5b-instruct"
CHROMIUM_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_configure() -> None:
    import torch

    for logger in ("torchao", "torch.utils._pytree"):
        logging.getLogger(logger).setLevel(logging.ERROR)  # what they say wherever they are imported
    torch.set_num_threads(1)  # the models of most tests are so small that a second thread only waits
    # A busy machine breaks no property, and CI fails for a change, not for its luck.
    hypothesis.settings.register_profile("latentguard", deadline=None, derandomize="CI" in os.environ)
    hypothesis.settings.load_profile("latentguard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the real model come first: they take longest."""
    real = Path(__file__).parent / "real"
    items.sort(key=lambda item: real not in item.path.parents)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "ByFile":
    """A file stays in one process, and so do the tests of the real model, which is loaded once."""
    from tests.by_file import ByFile

    return ByFile(config, log)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout, for what the documents and package metadata promise."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The public evaluation prompts and tokenizers: LATENTGUARD_SHARED, or the folder beside the checkout."""
    folder = Path(os.environ.get("LATENTGUARD_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no folder of shared evaluation prompts (set LATENTGUARD_SHARED)")
    return folder


@pytest.fixture(scope="session")
def real_model_path() -> Path:
    """The GGUF file of the real model that the tests read, in LATENTGUARD_MODELS."""
    default = Path.home() / ".cache" / "latentguard-models"
    folder = Path(os.environ.get("LATENTGUARD_MODELS") or default) / REAL_MODEL
    files = sorted(folder.glob("*.gguf"))
    if not files:
        pytest.skip(f"no GGUF file of {REAL_MODEL} (set LATENTGUARD_MODELS)")
    return files[0]


@pytest.fixture(scope="session")
def organism() -> "LanguageModel":
    """The model with planted behaviour that ships with the package."""
    import latentguard

    return latentguard.load("organism")


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A headless Chromium of this machine, driven by playwright."""
    from playwright.sync_api import sync_playwright

    from tests.required import program

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(*CHROMIUM_PROGRAMS),
            args=["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else [],
        )
        yield browser
        browser.close()
