"""GGUF files: what their header says, and that transformers' loader, as it is used here, reads them right."""

import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers.utils import logging

from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.lm import gguf as reading
from latentguard.lm import load
from tests.lm.gguf_file import chat_model_file
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module


def _written(path: Path, file_type: int | None, architecture: str = "llama") -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_array("tokenizer.ggml.tokens", ["a", "bé", "c" * 300])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5, -2.0])
    writer.add_array("some.flags", [True, False])
    writer.add_float32("llama.rope.freq_base", 1e4)
    if file_type is not None:
        writer.add_file_type(file_type)
    writer.add_tensor("token_embd.weight", np.zeros((3, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def module() -> Any:
    """A tiny random model for the tokens of `byte_level`."""
    return tiny_module("Qwen2", vocab_size=len(byte_level(CHATML)))


@pytest.fixture(scope="module")
def chat_model(module: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a GGUF file."""
    return chat_model_file(tmp_path_factory.mktemp("gguf") / "tiny-qwen2.gguf", module, module.state_dict())


def test_a_gguf_file_loads_with_every_weight_and_its_template(chat_model: Path, module: Any) -> None:
    model = load(chat_model, device="cpu", dtype="float32")
    assert model.name == chat_model.name
    assert model.quantisation == "GGUF F32"
    assert model.render("How do I bake bread?").text.startswith(
        "<|im_start|>user\nHow do I bake bread?<|im_end|>"
    )
    own = module.state_dict()
    assert set(own) == set(model.module.state_dict())
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, own[name]), name


def test_a_llama_file_loads_with_its_rows_in_transformers_order(tmp_path: Path) -> None:
    """llama.cpp keeps queries and keys in another order: what is read must be the weights that were written,
    for a proof of itself cannot see rows that are wrong everywhere alike."""
    module = tiny_module("Llama", vocab_size=len(byte_level(CHATML)))
    path = chat_model_file(tmp_path / "tiny-llama.gguf", module, module.state_dict())
    model = load(path, device="cpu", dtype="float32")
    own = module.state_dict()
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, own[name]), name
    ids = torch.tensor([model.render("How do I bake bread?").ids])
    with torch.no_grad():
        assert torch.equal(model.module(ids).logits, module(ids).logits)


@pytest.mark.parametrize(
    "missing",
    [
        "model.embed_tokens.weight",
        "model.layers.2.self_attn.q_proj.bias",
        "model.layers.2.mlp.down_proj.weight",
        "model.norm.weight",
    ],
)
def test_a_file_that_lacks_a_tensor_is_refused_and_the_tensor_named(
    module: Any, tmp_path: Path, missing: str
) -> None:
    weights = {name: tensor for name, tensor in module.state_dict().items() if name != missing}
    with pytest.raises(ModelNotSupported, match=rf"\b{missing}\b"):
        load(chat_model_file(tmp_path / "model.gguf", module, weights), device="cpu")


def test_a_file_without_a_head_has_the_embedding_for_one(module: Any, tmp_path: Path) -> None:
    """The convention of the format, and no missing tensor: nothing is filled at random."""
    weights = {name: tensor for name, tensor in module.state_dict().items() if name != "lm_head.weight"}
    loaded = load(
        chat_model_file(tmp_path / "model.gguf", module, weights), device="cpu", dtype="float32"
    ).module
    embedding = module.state_dict()["model.embed_tokens.weight"]
    assert torch.equal(loaded.lm_head.weight, embedding)
    assert torch.equal(loaded.model.embed_tokens.weight, embedding)


def test_a_file_with_a_misshapen_tensor_is_refused(module: Any, tmp_path: Path) -> None:
    weights = module.state_dict() | {"model.layers.2.mlp.up_proj.weight": torch.zeros(40, 32)}
    with pytest.raises(ModelNotSupported, match=r"weights of model\.gguf are damaged"):
        load(chat_model_file(tmp_path / "model.gguf", module, weights), device="cpu")


@pytest.mark.parametrize("share", [0.0001, 0.02, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_refused(chat_model: Path, tmp_path: Path, share: float) -> None:
    whole = chat_model.read_bytes()
    cut = tmp_path / "model.gguf"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelNotFound, match=r"model\.gguf"):
        load(cut, device="cpu")


def test_fields_hold_what_the_packages_own_reader_finds(chat_model: Path, tmp_path: Path) -> None:
    for file in (chat_model, _written(tmp_path / "some.gguf", 1)):
        own = gguf.GGUFReader(file)
        with reading.parsing_once():
            found = gguf.GGUFReader(file)
        assert [*found.fields] == [*own.fields]
        for name, field in own.fields.items():
            assert found.fields[name].contents() == field.contents(), name
            assert found.fields[name].types == field.types
        for one, other in zip(found.tensors, own.tensors, strict=True):
            assert one.name == other.name
            assert np.array_equal(one.data, other.data)


def test_a_vocabulary_is_parsed_without_a_view_a_word(chat_model: Path) -> None:
    with reading.parsing_once():
        words = gguf.GGUFReader(chat_model).fields["tokenizer.ggml.tokens"]
    assert len(words.parts) < 2 * len(words.data)
    assert all(isinstance(words.parts[index], bytes) for index in words.data)


def test_a_file_is_parsed_once_for_config_tokenizer_and_weights(
    chat_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []

    class Counted(gguf.GGUFReader):
        def __init__(self, path: Any, *more: Any) -> None:
            parsed.append(path)
            super().__init__(path, *more)

    monkeypatch.setattr(gguf, "GGUFReader", Counted)
    load(chat_model, device="cpu", dtype="float32")
    assert parsed == [str(chat_model)]
    assert gguf.GGUFReader is Counted
    load(chat_model, device="cpu", dtype="float32")
    assert len(parsed) == 2


def test_no_bar_is_drawn_where_standard_error_is_no_terminal(
    chat_model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "_tqdm_active", True)
    load(chat_model, device="cpu", dtype="float32")
    assert capfd.readouterr().err == ""
    list(logging.tqdm([1], desc="drawn"))
    assert "drawn" in capfd.readouterr().err


def test_a_terminal_sees_bars_unless_they_are_disabled(
    chat_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(logging, "_tqdm_active", True)
    load(chat_model, device="cpu", dtype="float32")
    assert "GGUF" in capsys.readouterr().err
    monkeypatch.setattr(logging, "_tqdm_active", False)
    load(chat_model, device="cpu", dtype="float32")
    assert capsys.readouterr().err == ""


def test_without_the_package_the_extra_is_named(chat_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelNotSupported, match=r"latentguard\[gguf\]"):
        load(chat_model)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (gguf.LlamaFileType.MOSTLY_Q4_K_M, "Q4_K_M"),
        (gguf.LlamaFileType.MOSTLY_F16, "F16"),
        (gguf.LlamaFileType.ALL_F32, "F32"),
        (None, "of unstated type"),
    ],
)
def test_the_file_type_is_read_from_the_header(tmp_path: Path, kind: int | None, name: str) -> None:
    assert reading.file_type(_written(tmp_path / "model.gguf", kind)) == name


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(ModelNotFound, match=r"model\.gguf"):
        reading.file_type(path)


@pytest.mark.parametrize("architecture", ["bert", "clip", "of-tomorrow"])
def test_an_architecture_that_transformers_does_not_read_is_refused_by_name(
    tmp_path: Path, architecture: str
) -> None:
    with pytest.raises(ModelNotSupported, match=f"architecture {architecture}"):
        load(_written(tmp_path / "model.gguf", 0, architecture))


def test_a_cut_off_header_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "model.gguf", gguf.LlamaFileType.MOSTLY_F16)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelNotFound, match="damaged"):
        reading.file_type(path)


def test_rows_dequantise_to_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ROWS", 7)
    values = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    kind = gguf.GGMLQuantizationType.Q8_0
    data = gguf.quantize(values, kind)
    whole = gguf.dequantize(data, kind)
    original = gguf.dequantize
    with reading.dequantising_by_rows():
        assert gguf.dequantize is not original
        assert np.array_equal(gguf.dequantize(data, kind), whole)
        assert np.array_equal(gguf.dequantize(data[:3], kind), whole[:3])
    assert gguf.dequantize is original
