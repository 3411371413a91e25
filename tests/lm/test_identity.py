"""A fingerprint knows a model again in any dtype, and knows a changed one from it."""

import torch

from latentguard.lm import LanguageModel
from latentguard.lm.fingerprint import Identity, weight_fingerprint
from tests.lm.tiny import tiny_module


def test_one_checkpoint_has_one_fingerprint_in_every_dtype() -> None:
    narrow = tiny_module("Llama").to(torch.bfloat16)
    assert weight_fingerprint(narrow) == weight_fingerprint(narrow.to(torch.float32))


def test_other_weights_have_another_fingerprint() -> None:
    assert weight_fingerprint(tiny_module("Llama")) != weight_fingerprint(tiny_module("Llama", seed=1))


def test_one_changed_tensor_changes_the_fingerprint() -> None:
    module = tiny_module("Llama")
    before = weight_fingerprint(module)
    module.model.layers[2].mlp.up_proj.weight.data *= 1.05
    assert weight_fingerprint(module) != before


def test_an_identity_survives_json(qwen: LanguageModel) -> None:
    identity = qwen.identity()
    assert Identity.model_validate_json(identity.model_dump_json()) == identity
    assert identity.blocks == 4
    assert identity.hidden == 32
    assert set(identity.versions) == {"python", "torch", "transformers", "latentguard"}
