"""bfloat16 is taken where its states agree with float32, and not where they do not."""

from typing import Any

import pytest
import torch

from latentguard.lm import precision
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module


def _module(dtype: torch.dtype) -> Any:
    return tiny_module("Qwen3").to(dtype).eval()


def test_float32_agrees_with_itself() -> None:
    assert precision.agreement(_module(torch.float32), byte_level(CHATML)) == pytest.approx(1.0, abs=1e-5)


def test_measuring_leaves_the_weights_as_they_were() -> None:
    module = _module(torch.bfloat16)
    before = {name: parameter.clone() for name, parameter in module.named_parameters()}
    cosine = precision.agreement(module, byte_level(CHATML))
    assert 0.9 < cosine < 1.0
    assert all(torch.equal(parameter, before[name]) for name, parameter in module.named_parameters())
    assert all(parameter.dtype == torch.bfloat16 for parameter in module.parameters())


def test_states_that_disagree_bring_float32_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_SMALL", 0)
    monkeypatch.setattr(precision, "_LEAST_COSINE", 1.1)
    choice = precision.choose_dtype(_module, byte_level(CHATML))
    assert next(choice.module.parameters()).dtype == torch.float32
    assert "disagree" in choice.note


def test_states_that_agree_keep_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_SMALL", 0)
    monkeypatch.setattr(precision, "_LEAST_COSINE", 0.5)
    choice = precision.choose_dtype(_module, byte_level(CHATML))
    assert next(choice.module.parameters()).dtype == torch.bfloat16
    assert "agree" in choice.note


def test_a_cpu_without_bfloat16_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bfloat16", lambda: False)
    choice = precision.choose_dtype(_module, byte_level(CHATML))
    assert next(choice.module.parameters()).dtype == torch.float32
