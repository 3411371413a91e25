"""From a name to a proved model, or one named error that says what to give instead."""

from pathlib import Path

import pytest
import torch

from latentguard.errors import ModelNotFound, ModelNotSupported, TemplateError
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


@pytest.mark.parametrize("name", ["no/such-model", "nowhere.gguf", "./no-such-folder"])
def test_a_model_that_is_not_there_is_one_message(name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        load(name)
    assert "GGUF" in str(refused.value)


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
