"""A fingerprint knows a model again in any dtype, and knows a changed one from it."""

import torch

from latentguard.lm import LanguageModel
from latentguard.lm.fingerprint import Identity, weight_fingerprint
from tests.lm.tiny import tiny, tiny_module


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


def test_an_untrained_copy_depends_on_its_seed_alone() -> None:
    model = tiny("Qwen3")
    torch.manual_seed(123)
    first = model.reinitialised(5)
    torch.manual_seed(9)
    again, other = model.reinitialised(5), model.reinitialised(6)
    assert first.identity().fingerprint == again.identity().fingerprint
    assert (
        len({model.identity().fingerprint, first.identity().fingerprint, other.identity().fingerprint}) == 3
    )


def test_making_an_untrained_copy_leaves_the_random_state_alone() -> None:
    model = tiny("Qwen3")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    model.reinitialised(0)
    assert torch.equal(torch.rand(3), expected)


def test_an_untrained_copy_has_only_the_blocks_that_are_read() -> None:
    model = tiny("Gemma2")
    copy = model.reinitialised(0, deepest_slot=2)
    assert copy.n_blocks == 2
    assert copy.capture(["Sing."], slots=[2]).tensor.shape == (1, 1, 1, 32)
    assert model.n_blocks == 4
