"""A model spread over devices reads, edits and answers as the one that lies on one device.

Two devices that every machine has: memory, and the disk, from which accelerate brings a part when it runs
(until then its parameters are on the meta device).
"""

import gc
import tempfile
from pathlib import Path

import pytest
import torch

from latentguard.errors import DeviceNotAvailable, ModelNotSupported
from latentguard.lm import AddDirection, LanguageModel, ScaleHeads, load
from tests.lm.architectures import ARCHITECTURES
from tests.lm.tiny import tiny

PROMPTS = ["How do I bake bread?", "Tell me about the river that runs behind the old mill.", "hi"]
NAMES = ["Llama", "Gemma-2", "GPT-NeoX", "Qwen3-MoE", "Qwen3.5"]


@pytest.fixture(scope="module", params=NAMES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The model on one device, and spread over two: every other block on disk."""
    place = tmp_path_factory.mktemp("spread")
    whole = ARCHITECTURES[request.param].build()
    whole.module.save_pretrained(place)
    whole.tokenizer.save_pretrained(place)
    return load(place, device="cpu", dtype="float32"), load(place, device=alternating(whole), dtype="float32")


def alternating(model: LanguageModel) -> dict[str, str]:
    names = {id(module): name for name, module in model.module.named_modules()}
    blocks = {names[id(layer)]: "disk" if n % 2 else "cpu" for n, layer in enumerate(model.blocks.layers)}
    found: dict[str, str] = {}

    def walk(prefix: str, module: torch.nn.Module) -> None:
        for name, child in module.named_children():
            own = f"{prefix}{name}"
            if own in blocks:
                found[own] = blocks[own]
            elif any(block.startswith(f"{own}.") for block in blocks):
                walk(f"{own}.", child)
            else:
                found[own] = "cpu"

    walk("", model.module)
    return found


def test_parts_are_spread_and_the_user_is_told(both) -> None:
    _, spread = both
    assert any(parameter.is_meta for parameter in spread.module.parameters())
    assert any("the model is spread over cpu" in note and "disk" in note for note in spread.notes)


def test_the_same_is_proved_and_the_weights_have_one_fingerprint(both) -> None:
    whole, spread = both
    assert spread.proof.supports() == whole.proof.supports()
    assert spread.proof.refusals == whole.proof.refusals
    assert spread.identity().fingerprint == whole.identity().fingerprint


def test_states_heads_and_attributions_are_the_same(both) -> None:
    whole, spread = both
    for one, other in zip(
        *(
            (
                model.capture(PROMPTS, positions=("t_inst", "t_post_inst")).tensor,
                model.capture(PROMPTS, slots=[2]).tensor,
                model.capture_heads(PROMPTS).tensor,
            )
            for model in (whole, spread)
        ),
        strict=True,
    ):
        assert torch.equal(one, other)
    if "attribution" not in whole.proof.refusals:
        direction = torch.randn(whole.hidden_size, generator=torch.Generator().manual_seed(0))
        assert torch.equal(
            whole.attribute_heads(PROMPTS, direction).tensor,
            spread.attribute_heads(PROMPTS, direction).tensor,
        )


def test_edited_replies_and_resumed_runs_are_the_same(both) -> None:
    whole, spread = both
    direction = torch.randn(whole.hidden_size, generator=torch.Generator().manual_seed(1))
    last = max(block for block, site in enumerate(whole.proof.heads) if site is not None)
    edits = [AddDirection(1, direction, 2.0, scope="all"), ScaleHeads([(last, 1)], 0.0)]
    said = []
    for model in (whole, spread):
        with model.edited(edits):
            said.append([one.ids for one in model.generate(PROMPTS, max_new_tokens=5)])
    assert said[0] == said[1]
    sweep = [[AddDirection(slot, direction)] for slot in range(whole.n_slots)]
    assert torch.equal(whole.edited_logits(PROMPTS[1], sweep), spread.edited_logits(PROMPTS[1], sweep))


def test_an_untrained_copy_is_the_same_and_lies_on_one_device(both) -> None:
    whole, spread = both
    one, other = whole.reinitialised(3, deepest_slot=2), spread.reinitialised(3, deepest_slot=2)
    assert one.identity().fingerprint == other.identity().fingerprint
    assert torch.equal(one.capture(PROMPTS, slots=[2]).tensor, other.capture(PROMPTS, slots=[2]).tensor)


def test_what_was_put_on_disk_is_gone_with_the_model(tmp_path: Path, monkeypatch) -> None:
    whole = ARCHITECTURES["Llama"].build()
    whole.module.save_pretrained(tmp_path / "model")
    whole.tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    spread = load(tmp_path / "model", device=alternating(whole), dtype="float32")
    assert list((tmp_path / "scratch").iterdir())
    del spread
    gc.collect()
    assert not list((tmp_path / "scratch").iterdir())
    (tmp_path / "model" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelNotSupported):
        load(tmp_path / "model", device=alternating(whole), dtype="float32")
    assert not list((tmp_path / "scratch").iterdir())


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    whole = ARCHITECTURES["Llama"].build()
    whole.module.save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("devices", [{"": "warp:1"}, {"": "auto"}, {}], ids=str)
def test_a_map_that_names_no_device_is_refused(saved: Path, devices: dict[str, str]) -> None:
    with pytest.raises(DeviceNotAvailable):
        load(saved, device=devices, dtype="float32")


def test_a_map_that_leaves_parts_out_is_no_missing_model(saved: Path) -> None:
    devices = {"model.embed_tokens": "cpu", "model.layers.0": "disk"}
    with pytest.raises(ModelNotSupported, match="cannot be laid over"):
        load(saved, device=devices, dtype="float32")


def test_tied_embeddings_on_disk_leave_the_fingerprint_as_it_is(tmp_path: Path) -> None:
    whole = tiny("Llama", tie_word_embeddings=True)
    whole.module.save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    plain = load(tmp_path, device="cpu", dtype="float32")
    spread = load(tmp_path, device={"": "disk"}, dtype="float32")
    assert spread.identity().fingerprint == plain.identity().fingerprint
    assert torch.equal(spread.capture(PROMPTS).tensor, plain.capture(PROMPTS).tensor)


def test_spread_on_a_machine_without_a_gpu_is_the_model_in_memory(saved: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    model = load(saved, device="spread", dtype="float32")
    assert model.device.type == "cpu"
    assert not [note for note in model.notes if "spread" in note]
