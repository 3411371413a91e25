"""PEFT adapters are merged in memory: what is read is what PEFT itself computes with them."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

import latentguard
from latentguard.errors import ModelNotFound, ModelNotSupported
from tests.lm.tiny import tiny, tiny_module

PROMPT = "Tell me about the river that runs behind the old mill."


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny("Llama")
    folder = tmp_path_factory.mktemp("base") / "model"
    model.module.float().save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """A random adapter of the base, and the logits that PEFT computes with it."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    adapted = get_peft_model(module, config).eval()
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([latentguard.load(base, dtype="float32").render(PROMPT).ids])
    with torch.no_grad():
        return tmp_path / "adapter", adapted(ids).logits[:, -1]


def test_an_adapter_beside_its_base_gives_pefts_own_logits(base: Path, adapter: tuple[Path, torch.Tensor]):
    folder, wanted = adapter
    for model in (
        latentguard.load(base, adapter=folder, dtype="float32"),
        latentguard.load(folder, dtype="float32"),
    ):
        assert torch.allclose(model.next_token_logits([PROMPT]), wanted, rtol=1e-4, atol=1e-4)
        assert model.name == "model + adapter"
    plain = latentguard.load(base, dtype="float32")
    assert not torch.allclose(plain.next_token_logits([PROMPT]), wanted, atol=1e-2)
    assert plain.identity().fingerprint != model.identity().fingerprint


def test_an_adapter_of_another_model_is_refused_by_name(adapter: tuple[Path, torch.Tensor], tmp_path: Path):
    other = tmp_path / "other"
    tiny_module("Llama", hidden_size=64, vocab_size=1024).save_pretrained(other)
    tiny("Llama").tokenizer.save_pretrained(other)
    with pytest.raises(ModelNotSupported, match="cannot be merged into this model"):
        latentguard.load(other, adapter=adapter[0], dtype="float32")


def test_a_folder_that_is_no_adapter_is_refused(base: Path, tmp_path: Path):
    with pytest.raises(ModelNotFound, match="no folder with adapter_config"):
        latentguard.load(base, adapter=tmp_path / "nothing")


def test_pickled_weights_are_refused(base: Path, adapter: tuple[Path, torch.Tensor]):
    folder, _ = adapter
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelNotSupported, match="nothing is unpickled here"):
        latentguard.load(base, adapter=folder)


def test_an_adapter_that_names_no_base_is_refused(adapter: tuple[Path, torch.Tensor]):
    folder, _ = adapter
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ModelNotSupported, match="names no base model"):
        latentguard.load(folder)


def test_an_adapter_is_not_spread_or_quantised(base: Path, adapter: tuple[Path, torch.Tensor]):
    with pytest.raises(ValueError, match="plain weights on one device"):
        latentguard.load(base, adapter=adapter[0], device={"": "cpu"})
