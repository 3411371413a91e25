"""From a name to a proved model, or one named error that says what to give instead."""

import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentguard._text import inert
from latentguard.errors import DeviceNotAvailable, ModelNotFound, ModelNotSupported, TemplateError
from latentguard.lm import load
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny chat model as a folder of safetensors."""
    place = tmp_path_factory.mktemp("tiny-llama")
    byte_level(CHATML).save_pretrained(place)
    tiny_module("Llama").save_pretrained(place)
    return place


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder for a test to damage."""
    return Path(shutil.copytree(folder, tmp_path / "damaged"))


def test_a_folder_loads_in_the_dtype_asked_for(folder: Path) -> None:
    model = load(folder, device="cpu", dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    assert model.identity().dtype == "bfloat16"
    assert model.name == folder.name
    assert model.capture(["Sing."]).tensor.dtype == torch.float32


def test_auto_takes_float32_for_a_small_model_on_a_cpu(folder: Path) -> None:
    assert load(folder, device="cpu").dtype == torch.float32


def test_a_loaded_model_reads_the_states_of_the_saved_one(folder: Path) -> None:
    model = load(folder, device="cpu", dtype="float32")
    own = tiny_module("Llama").eval()
    rendered = model.render("Sing a song.")
    with torch.no_grad():
        output = own(input_ids=torch.tensor([rendered.ids]), output_hidden_states=True)
    states = model.capture([rendered], slots=[3]).tensor[0, 0, 0]
    torch.testing.assert_close(states, output.hidden_states[3][0, rendered.t_inst], rtol=1e-5, atol=1e-5)


def test_the_commit_that_was_read_of_a_hub_repository_is_recorded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Branch and commit lie in the hub's cache as its own client lays them there."""
    commit, repository = "0123456789abcdef" * 2 + "01234567", tmp_path / "models--acme--tiny"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert load("acme/tiny", device="cpu").revision == commit
    assert load("acme/tiny", device="cpu", revision=commit).identity().revision == commit
    assert load(folder, device="cpu").revision is None


@pytest.mark.parametrize(
    "name", ["no/such-model", "nowhere.gguf", "./no-such-folder", "~nobody-at-all/model", "n" * 5000, "a\0b"]
)
def test_a_model_that_is_not_there_is_one_message(name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        load(name)
    assert "GGUF" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "No model was named"),
        (" ", "No model was named"),
        ("/no-such-folder/model", "No file or folder is there"),
        ("../no-such-folder", "No file or folder is there"),
    ],
)
def test_a_name_that_can_be_no_hub_id_is_refused_for_what_it_is(name: str, why: str) -> None:
    with pytest.raises(ModelNotFound, match=why):
        load(name)


def test_a_folder_without_a_chat_template_is_named(folder: Path, tmp_path: Path) -> None:
    byte_level(None).save_pretrained(tmp_path)
    tiny_module("Llama").save_pretrained(tmp_path)
    with pytest.raises(TemplateError, match="chat template"):
        load(tmp_path, device="cpu")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    byte_level(CHATML).save_pretrained(tmp_path)
    module = tiny_module("Llama")
    module.config.save_pretrained(tmp_path)
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelNotFound, match="safetensors"):
        load(tmp_path, device="cpu")


def test_a_dtype_that_is_none_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="float16"):
        load(folder, device="cpu", dtype="int8")


def test_an_encoder_decoder_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    from transformers import T5Config

    byte_level(CHATML).save_pretrained(tmp_path)
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(ModelNotSupported, match="encoder-decoder"):
        load(tmp_path)


def _rewritten(folder: Path, name: str, tensor: Tensor | None) -> Path:
    """`folder` with another tensor under one name of its checkpoint, or with none."""
    weights = load_file(folder / "model.safetensors")
    own = weights.pop(name)
    if tensor is not None:
        assert tensor.shape != own.shape
        weights[name] = tensor
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    "missing",
    [
        "model.embed_tokens.weight",
        "model.layers.2.self_attn.q_proj.weight",
        "model.layers.2.post_attention_layernorm.weight",
        "model.norm.weight",
        "lm_head.weight",
    ],
)
def test_a_checkpoint_that_lacks_a_tensor_is_refused_and_the_tensor_named(
    damaged: Path, missing: str
) -> None:
    with pytest.raises(ModelNotSupported, match=rf"\b{missing}\b"):
        load(_rewritten(damaged, missing, None), device="cpu")


@pytest.mark.parametrize("shape", [(40, 32), (48, 33), (48 * 32,), (1, 48, 32)])
def test_a_checkpoint_with_a_misshapen_tensor_is_refused(damaged: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelNotSupported, match="weights of damaged are damaged"):
        load(_rewritten(damaged, "model.layers.2.mlp.up_proj.weight", torch.zeros(shape)), device="cpu")


def test_a_misshapen_tensor_is_named(damaged: Path) -> None:
    with pytest.raises(ModelNotSupported, match=r"model\.layers\.2\.mlp\.up_proj\.weight"):
        load(_rewritten(damaged, "model.layers.2.mlp.up_proj.weight", torch.zeros(40, 32)), device="cpu")


@pytest.mark.parametrize("share", [0.0, 0.005, 0.5, 0.999])
def test_a_checkpoint_that_was_cut_off_is_refused_as_damaged(damaged: Path, share: float) -> None:
    file = damaged / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ModelNotSupported, match=r"weights of damaged are damaged.*\n.*header"):
        load(damaged, device="cpu")


def test_a_head_that_is_tied_to_the_embedding_is_not_missing(tmp_path: Path) -> None:
    byte_level(CHATML).save_pretrained(tmp_path)
    tiny_module("Llama", tie_word_embeddings=True).save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    module = load(tmp_path, device="cpu").module
    assert torch.equal(module.lm_head.weight, module.model.embed_tokens.weight)


@pytest.mark.parametrize("name", ["no/such-model", "nowhere.gguf"])
@pytest.mark.parametrize("device", ["gpu", "", "cpu:x", "\x1b[31mcuda", "cuda:63"])
def test_a_device_that_cannot_be_used_is_named_before_the_model_is_looked_for(name: str, device: str) -> None:
    with pytest.raises(DeviceNotAvailable) as refused:
        load(name, device=device)
    assert repr(inert(device)) in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_a_device_without_memory_is_refused() -> None:
    with pytest.raises(DeviceNotAvailable, match="meta"):
        load("no/such-model", device="meta")
