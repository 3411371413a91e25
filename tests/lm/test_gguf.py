"""GGUF files: the header says what they are, and large tensors dequantise to the same values by rows."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from latentguard.errors import ModelNotFound
from latentguard.lm import gguf as reading


def _written(path: Path, file_type: int | None) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
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
