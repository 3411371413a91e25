"""A guard is found wherever it is said to be, and a missing package is told with the way out."""

import importlib
import sys
import threading

import pytest

import latentguard
from latentguard.adapters import InProcess, Served, checker_of
from latentguard.adapters.needed import needed
from latentguard.errors import ArtefactMismatch


def test_a_folder_is_loaded_with_its_model_once(guard, conversations, tmp_path, monkeypatch):
    """In the thread that judges: another one would slow it down."""
    threads: list[str] = []
    load = latentguard.load

    def watched(*arguments, **settings):
        threads.append(threading.current_thread().name)
        return load(*arguments, **settings)

    monkeypatch.setattr(latentguard, "load", watched)
    guard.save(tmp_path / "guard")
    found = checker_of(tmp_path / "guard")
    assert checker_of(str(tmp_path / "guard")) is found
    assert [one.flagged for one in found.check(conversations)] == [
        one.flagged for one in guard.score(conversations)
    ]
    with pytest.raises(ArtefactMismatch):
        checker_of(tmp_path)
    assert [one.rsplit("_", 1)[0] for one in threads] == ["latentguard-guard"]


def test_a_guard_and_an_address_are_told_apart(guard):
    assert isinstance(checker_of(guard), InProcess)
    served = checker_of("http://127.0.0.1:9", api_key="key")
    assert isinstance(served, Served)
    assert served.name == "http://127.0.0.1:9/v1"
    assert checker_of(served) is served
    with pytest.raises(ValueError, match="key"):
        checker_of(guard, api_key="key")


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [
        ("any_guardrail", "any_guardrail", "adapters"),
        ("langchain", "langchain", "adapters"),
        ("inspect", "inspect_ai", "inspect"),
    ],
)
def test_a_missing_package_is_told_with_the_extra_that_brings_it(adapter, package, extra, monkeypatch):
    importlib.import_module("latentguard.adapters")
    for name in [package, *(one for one in sys.modules if one.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"latentguard.adapters.{adapter}", raising=False)
    with pytest.raises(ModuleNotFoundError) as told:
        importlib.import_module(f"latentguard.adapters.{adapter}")
    assert f"package {package}" in str(told.value)
    assert f"pip install 'latentguard[{extra}]'" in str(told.value)


def test_another_package_that_is_missing_is_not_blamed_on_the_extra():
    with pytest.raises(ModuleNotFoundError, match="nothing_of_the_kind"), needed("langchain"):
        importlib.import_module("nothing_of_the_kind")
