"""One call of the program, in this process: what it printed, where, and its exit code."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Call:
    """How one call of `latentguard` ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def latentguard(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Call]:
    """Runs `latentguard ARGUMENTS...` from an empty folder of its own."""
    from latentguard.cli._main import run

    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: object) -> Call:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Call(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random chat model, as Hugging Face writes one; its context is 256 tokens."""
    from tests.lm.tiny import tiny

    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = tiny("Qwen3", max_position_embeddings=256)
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Audited:
    """One audit of the tiny random model on two small files."""

    folder: Path
    harmful: Path
    harmless: Path
    call: Call


@pytest.fixture(scope="session")
def audited(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """`latentguard audit TINY --harmful ... --harmless ... --json`, run once, with the network forbidden."""
    import socket

    from latentguard.cli._main import run
    from tests.cli.prompts import write_classes

    folder = tmp_path_factory.mktemp("audited")
    harmful, harmless = write_classes(folder)
    out, err = io.StringIO(), io.StringIO()
    arguments = ["audit", tiny_folder, "--harmful", harmful, "--harmless", harmless, "--out", folder / "out"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(socket.socket, "connect", _no_network)
        code = run([*map(str, arguments), "--json"])
    return Audited(folder, harmful, harmless, Call(code, out.getvalue(), err.getvalue()))


def _no_network(*_: object) -> None:
    raise AssertionError("the network was used")
