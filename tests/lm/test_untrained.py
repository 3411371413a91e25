"""An untrained copy: its weights follow from its seed, are drawn by the model's own rule, and do not stay."""

import gc
import weakref
from typing import Any

import pytest
import torch
import transformers

from latentguard.errors import ModelNotSupported
from tests.lm.tiny import ARCHITECTURES, tiny


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


def test_a_copy_of_a_copy_is_the_copy_of_its_seed() -> None:
    """It has no weights to look at: dtype and device are the model's."""
    model = tiny("Qwen3")
    again = model.reinitialised(0).reinitialised(5)
    assert again.identity().fingerprint == model.reinitialised(5).identity().fingerprint
    assert torch.equal(again.capture(["Sing."]).tensor, model.reinitialised(5).capture(["Sing."]).tensor)


def test_making_an_untrained_copy_leaves_the_random_state_alone() -> None:
    model = tiny("Qwen3")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    model.reinitialised(0)
    assert torch.equal(torch.rand(3), expected)


def test_a_copy_that_nobody_holds_is_gone_at_once() -> None:
    """Not when the garbage collector next runs: an audit would hold the embeddings of all its copies."""
    copy = tiny("Qwen3").reinitialised(0)
    copy.capture(["Sing."])
    module = weakref.ref(copy.module)
    embedding = weakref.ref(copy.module.get_input_embeddings().weight)
    gc.disable()
    try:
        del copy
        assert module() is embedding() is None
    finally:
        gc.enable()


def test_an_untrained_copy_has_only_the_blocks_that_are_read() -> None:
    model = tiny("Gemma2")
    copy = model.reinitialised(0, deepest_slot=2)
    assert copy.n_blocks == 2
    assert copy.capture(["Sing."], slots=[2]).tensor.shape == (1, 1, 1, 32)
    assert model.n_blocks == 4


def test_what_a_part_holds_does_not_depend_on_how_many_blocks_there_are() -> None:
    model = tiny("Qwen3")
    whole, cut = model.reinitialised(0), model.reinitialised(0, deepest_slot=2)
    slots = [0, 1, 2]
    states = (one.capture(["Sing.", "Name a river."], slots=slots).tensor for one in (whole, cut))
    torch.testing.assert_close(*states, rtol=1e-5, atol=1e-5)


def test_a_copy_runs_in_inference_mode() -> None:
    model = tiny("Qwen2", vocab_size=20_000)
    with torch.inference_mode():
        inside = model.reinitialised(0).capture(["Sing."]).tensor
    assert torch.equal(inside, model.reinitialised(0).capture(["Sing."]).tensor)


def test_a_tied_embedding_follows_the_embeddings_own_rule() -> None:
    copy = tiny("Qwen2", tie_word_embeddings=True, pad_token_id=3).reinitialised(0)
    seen: list[torch.Tensor] = []
    embedding = copy.module.get_input_embeddings()
    embedding.register_forward_pre_hook(lambda one, _: seen.append(one.weight.clone()))
    copy.capture(["Sing."])
    assert float(seen[0][3].abs().sum()) == 0.0
    assert float(seen[0][4].abs().sum()) > 0.0


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_a_copy_reads_the_same_however_often_its_weights_are_drawn(architecture: str) -> None:
    copy = tiny(architecture).reinitialised(3)
    first = copy.capture(["Sing.", "Name a river in the north?"]).tensor
    torch.manual_seed(77)
    assert torch.equal(copy.capture(["Sing.", "Name a river in the north?"]).tensor, first)
    assert copy.next_token_logits(["Sing."]).isfinite().all()


@pytest.mark.parametrize("tied", [True, False])
def test_a_copy_holds_neither_embedding_nor_block(tied: bool) -> None:
    copy = tiny("Qwen2", tie_word_embeddings=tied).reinitialised(0)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    copy.capture(["Sing."], slots=[1])
    assert copy.next_token_logits(["Sing."]).isfinite().all()
    copy.blocks.layers[1].mlp.register_forward_hook(fail)
    with pytest.raises(ZeroDivisionError):
        copy.next_token_logits(["Sing."])
    held = {name for name, one in copy.module.named_parameters() if not one.is_meta}
    assert held == {"model.norm.weight"}
    assert copy.module.lm_head.weight.is_meta


def test_a_copy_is_drawn_by_the_models_own_rule() -> None:
    model = tiny("Qwen2", hidden_size=128, initializer_range=0.07)
    copy = model.reinitialised(0)
    seen: dict[str, torch.Tensor] = {}

    def keep(layer: torch.nn.Module, *_: object) -> None:
        seen.update({name: one.clone() for name, one in layer.named_parameters()})

    copy.blocks.layers[2].mlp.register_forward_hook(keep)
    copy.capture(["Sing."])
    assert abs(float(seen["up_proj.weight"].std()) - 0.07) < 0.005
    assert bool((copy.blocks.norm.weight == 1).all())
    assert len({float(one.sum()) for one in seen.values()}) == len(seen)


def test_a_rule_that_leaves_a_tensor_unfilled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("Qwen2")
    rule = transformers.PreTrainedModel._init_weights

    def forgetful(self: Any, module: torch.nn.Module) -> None:
        if getattr(module, "out_features", None) != 48:
            rule(self, module)

    monkeypatch.setattr(transformers.PreTrainedModel, "_init_weights", forgetful)
    with pytest.raises(ModelNotSupported, match="initialiser does not fill"):
        model.reinitialised(0)


def test_the_heads_of_a_copy_are_refused_by_name() -> None:
    copy = tiny("Qwen3").reinitialised(0)
    with pytest.raises(ModelNotSupported, match="they are not looked for in an untrained copy"):
        copy.capture_heads(["hi"])
    assert copy.proof.supports()["slots"]
