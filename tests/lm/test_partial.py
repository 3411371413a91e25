"""The beginning of a model is the whole model's: slot by slot, bit for bit, on every architecture."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import latentguard
from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.lm import LanguageModel, load
from latentguard.lm.blocks import find_blocks
from latentguard.lm.fingerprint import fingerprints, weight_fingerprint
from tests.lm.architectures import ARCHITECTURES, Architecture
from tests.lm.gguf_file import chat_model_file
from tests.lm.plain import plain_states
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module

PROMPTS = ["How do I bake bread?", "Tell me about the river that runs behind the old mill.", "hi"]
BOTH = ("t_inst", "t_post_inst")


def saved(folder: Path, module: Any) -> Path:
    module.save_pretrained(folder)
    byte_level(CHATML).save_pretrained(folder)
    return folder


def states(model: LanguageModel) -> torch.Tensor:
    return model.capture(PROMPTS, positions=BOTH).tensor


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a head of its own."""
    return saved(tmp_path_factory.mktemp("llama"), tiny_module("Llama"))


@pytest.fixture(scope="module")
def whole(llama: Path) -> LanguageModel:
    return load(llama, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def part(llama: Path) -> LanguageModel:
    return load(llama, device="cpu", dtype="float32", blocks=2)


def slots_of(module: Any, ids: torch.Tensor, blocks: int) -> torch.Tensor:
    """Slots 0..`blocks` of a plain run, where more blocks follow."""
    with torch.no_grad():
        return torch.stack(module.eval()(ids, output_hidden_states=True).hidden_states[: blocks + 1])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_slot_of_a_beginning_is_the_whole_models_on_every_architecture(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = ARCHITECTURES[name]
    module = wanted.module()
    saved(tmp_path, module)
    part = load(tmp_path, device="cpu", dtype="float32", blocks=3)
    ids = torch.tensor([part.render(PROMPTS[1]).ids])
    assert torch.equal(plain_states(part, input_ids=ids), slots_of(module, ids, 3))
    assert part.identity().beginnings == fingerprints(module, find_blocks(module)).beginnings[:4]
    assert set(part.proof.refusals) <= wanted.refused | without_heads(wanted)
    assert "UNEXPECTED" not in caplog.text


def without_heads(wanted: Architecture) -> set[str]:
    """What is refused of three blocks without attention."""
    return set() if any(wanted.heads[:3]) else {"heads", "attribution"}


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_a_beginning_of_any_length_is_the_whole_models(
    llama: Path, whole: LanguageModel, blocks: int
) -> None:
    part = load(llama, device="cpu", dtype="float32", blocks=blocks)
    assert torch.equal(states(part), states(whole)[:, :, : blocks + 1])


def test_the_organisms_beginning_is_the_organisms(organism: LanguageModel) -> None:
    part = latentguard.load("organism", blocks=3)
    assert torch.equal(states(part), states(organism)[:, :, :4])
    assert part.identity().same_weights(organism.identity())


def test_a_block_whose_kind_follows_from_its_number_is_not_made_anew(tmp_path: Path) -> None:
    """The last two of eight blocks take others' keys and values, and in six none does: of a config that was
    cut to six blocks the last two would."""
    module = ARCHITECTURES["Gemma-4, keys and values shared by blocks"].module()
    part = load(saved(tmp_path, module), device="cpu", dtype="float32", blocks=6)
    ids = torch.tensor([part.render(PROMPTS[1]).ids])
    assert torch.equal(plain_states(part, input_ids=ids), slots_of(module, ids, 6))


def test_what_is_left_out_is_not_there_and_is_counted(part: LanguageModel, whole: LanguageModel) -> None:
    held = {name for name, _ in part.module.named_parameters()}
    assert held < {name for name, _ in whole.module.named_parameters()}
    assert not any(".layers.2." in name or ".layers.3." in name or "lm_head" in name for name in held)
    assert not any(one.is_meta for one in part.module.parameters())
    assert any("blocks 0 to 1 of 4 are loaded" in note for note in part.notes)
    count = {id(one): one.numel() for one in whole.module.parameters()}
    loaded = sum(one.numel() for one in part.module.parameters())
    assert loaded + part.module.values_left_out == sum(count.values())


def test_a_head_that_is_the_embedding_stays(tmp_path: Path) -> None:
    part = load(saved(tmp_path, tiny_module("Llama", tie_word_embeddings=True)), device="cpu", blocks=1)
    assert part.blocks.unembedding.weight is part.module.get_input_embeddings().weight


def test_a_beginning_reads_through_what_its_prompts_share(part: LanguageModel, whole: LanguageModel) -> None:
    assert part.proof.shares_prefixes
    assert part.hold_beginning(PROMPTS[0], 4)
    torch.testing.assert_close(states(part), states(whole)[:, :, :3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("slots", [[3], [0, 4]])
def test_a_slot_that_is_not_loaded_is_refused_with_the_way_out(part: LanguageModel, slots: list[int]) -> None:
    with pytest.raises(ModelNotSupported, match=rf"slot {slots[-1]} .*\n.*blocks={slots[-1]}\b"):
        part.capture(PROMPTS, slots=slots)
    with pytest.raises(ValueError, match="slots 5 were asked for"):
        part.capture(PROMPTS, slots=[5])


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.generate(["hi"], max_new_tokens=1),
        lambda model: model.replying(["hi"], max_new_tokens=[1], samplings=[], stop=[()]),
        lambda model: model.following(["hi"]),
        lambda model: model.next_token_logits(["hi"]),
        lambda model: model.unembed(torch.zeros(32)),
        lambda model: model.edited_logits("hi", []),
        lambda model: model.edited_logits_at("hi", [], positions=("t_inst",)),
        lambda model: model.reinitialised(0),
    ],
)
def test_what_needs_the_whole_model_is_refused(part: LanguageModel, use: Callable[[LanguageModel], object]):
    with pytest.raises(ModelNotSupported, match=r"loaded in part \(blocks 0 to 1 of 4\)"):
        use(part)


@pytest.mark.parametrize("blocks", [0, -1, 5])
def test_blocks_that_the_model_has_not_are_named(llama: Path, blocks: int) -> None:
    with pytest.raises(ValueError, match=f"{blocks} blocks .* it has 4"):
        load(llama, blocks=blocks)


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
def test_a_tensor_that_is_missing_of_what_is_loaded_is_named(llama: Path, tmp_path: Path, name: str) -> None:
    saved(tmp_path, tiny_module("Llama"))
    weights = load_file(tmp_path / "model.safetensors")
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelNotSupported, match=name):
        load(tmp_path, device="cpu", blocks=2)


def test_a_model_that_is_not_there_is_one_message() -> None:
    with pytest.raises(ModelNotFound):
        load("no/such-model", blocks=1)


@pytest.mark.parametrize(
    ("name", "reaches_slot_2"),
    [
        ("model.embed_tokens.weight", True),
        ("model.layers.1.mlp.up_proj.weight", True),
        ("model.layers.2.mlp.up_proj.weight", False),
        ("model.norm.weight", False),
        ("lm_head.weight", False),
    ],
)
def test_a_beginnings_weights_are_those_that_compute_it(
    part: LanguageModel, name: str, reaches_slot_2: bool
) -> None:
    module = tiny_module("Llama")
    assert fingerprints(module, find_blocks(module)).beginnings[2] == part.identity().fingerprint
    module.get_parameter(name).data *= 1.05
    changed = fingerprints(module, find_blocks(module))
    assert (changed.beginnings[2] != part.identity().fingerprint) == reaches_slot_2
    assert changed.whole == weight_fingerprint(module)


def test_parts_of_two_lengths_are_compared_in_what_both_have(llama: Path, part: LanguageModel) -> None:
    longer = load(llama, device="cpu", dtype="float32", blocks=3).identity()
    assert part.identity().same_weights(longer)
    assert longer.same_weights(part.identity())
    assert part.identity().fingerprint != longer.fingerprint
    assert (longer.blocks, longer.loaded_blocks) == (4, 3)
    assert not longer.same_weights(part.identity().model_copy(update={"beginnings": None}))


@pytest.mark.parametrize("architecture", ["Qwen2", "Llama"])
def test_a_gguf_file_is_read_to_the_last_block_that_is_wanted(
    tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gguf

    module = tiny_module(architecture, vocab_size=len(byte_level(CHATML)))
    file = chat_model_file(tmp_path / "tiny.gguf", module, module.state_dict())
    whole = load(file, device="cpu", dtype="float32")
    read: list[int] = []
    own = gguf.dequantize
    monkeypatch.setattr(gguf, "dequantize", lambda data, kind: read.append(data.nbytes) or own(data, kind))
    part = load(file, device="cpu", dtype="float32", blocks=2)
    assert torch.equal(states(part), states(whole)[:, :, :3])
    assert part.identity().same_weights(whole.identity())
    loaded = sum(one.numel() for one in part.module.parameters()) + module.lm_head.weight.numel()
    assert sum(read) == 4 * loaded


def test_an_adapter_is_merged_into_the_blocks_that_are_loaded(llama: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    module = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(module, config).save_pretrained(tmp_path / "adapter")
    whole, part = (
        load(llama, device="cpu", dtype="float32", adapter=tmp_path / "adapter", blocks=blocks)
        for blocks in (None, 2)
    )
    assert torch.equal(states(part), states(whole)[:, :, :3])
    assert part.identity().same_weights(whole.identity())


def test_weights_that_are_quantised_while_loading_are_the_whole_models(llama: Path) -> None:
    from torchao.quantization import Int8WeightOnlyConfig

    def made() -> Any:
        return transformers.TorchAoConfig(Int8WeightOnlyConfig())

    whole, part = (
        load(llama, device="cpu", dtype="float32", quantization_config=made(), blocks=blocks)
        for blocks in (None, 2)
    )
    assert torch.equal(states(part), states(whole)[:, :, :3])
    assert part.identity().same_weights(whole.identity())


def test_a_beginning_may_be_spread(llama: Path, whole: LanguageModel) -> None:
    devices = {
        "model.embed_tokens": "cpu",
        "model.layers.0": "cpu",
        "model.layers.1": "disk",
        "model.norm": "cpu",
        "model.rotary_emb": "cpu",
        "lm_head": "cpu",
    }
    part = load(llama, device=devices, dtype="float32", blocks=2)
    assert torch.equal(states(part), states(whole)[:, :, :3])
    assert part.identity().same_weights(whole.identity())


MEASURED = """
import sys
from latentguard.lm import load

def highest():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) << 10

before = highest()
load(sys.argv[1], device="cpu", dtype="float32", blocks=int(sys.argv[2]))
print(highest() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_never_holds_the_later_blocks(tmp_path: Path) -> None:
    """Of eight blocks one is loaded: at no time does that take half of what the file holds."""
    saved(tmp_path, tiny_module("Llama", hidden_size=512, intermediate_size=2048, num_hidden_layers=8))
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size > 120e6
    command = [sys.executable, "-c", MEASURED, str(tmp_path), "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(run.stdout) < size / 2
