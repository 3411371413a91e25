"""Checkpoints whose weights are stored quantised load to the numbers they stand for, or are refused by name.

A package that is installed here may not be elsewhere: what is refused for the want of one names it.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from latentguard.errors import ModelNotSupported
from latentguard.lm import load
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import SETTINGS, random_module, tiny_module

FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
"""The sixteen numbers of e2m1 (OCP Microscaling Formats 1.0, section 5.3.3)."""


def stored(folder: Path, module: Any, settings: dict[str, Any]) -> Path:
    """The checkpoint of `module`, whose config says that it is quantised."""
    module.save_pretrained(folder)
    byte_level(CHATML).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    return folder


def qwen(folder: Path, settings: dict[str, Any]) -> Path:
    return stored(folder, tiny_module("Qwen3", vocab_size=len(byte_level(CHATML))), settings)


def differ(model: Any, wanted: dict[str, torch.Tensor]) -> list[str]:
    """Which of the wanted weights the loaded model does not hold exactly."""
    held = model.module.state_dict()
    return [name for name, value in wanted.items() if not torch.equal(held[name].float(), value)]


@pytest.mark.parametrize("accelerator", [False, True])
def test_fp8_is_unpacked_exactly_and_named(
    tmp_path: Path, accelerator: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of e4m3 with a scale each, as DeepSeek-V3 and Qwen3 ship them, also where transformers finds a
    GPU that could multiply them as they are, which rounds inputs, too."""
    if accelerator:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    folder = qwen(
        tmp_path, {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    )
    tensors = load_file(folder / "model.safetensors")
    wanted = {}
    for name in [name for name in tensors if "proj" in name]:
        scale = tensors[name].abs().max() / 448
        tensors[name] = (tensors[name] / scale).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scale.reshape(1, 1)
        wanted[name] = tensors[name].float() * scale
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = load(folder, device="cpu", dtype="float32")
    assert model.quantisation == "fp8"
    assert "quantised (fp8)" in model.notes[0]
    assert len(wanted) == 4 * 7
    assert differ(model, wanted) == []
    assert model.identity().quantisation == "fp8"


def test_mxfp4_is_unpacked_exactly_and_named(tmp_path: Path) -> None:
    """Experts as gpt-oss ships them: blocks of 32 four-bit numbers, two a byte, under a power of two."""
    config = transformers.GptOssConfig(
        **{
            **SETTINGS,
            "vocab_size": len(byte_level(CHATML)),
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "head_dim": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
        }
    )
    folder = stored(tmp_path, random_module(config), {"quant_method": "mxfp4"})
    tensors = load_file(folder / "model.safetensors")
    draw = torch.Generator().manual_seed(0)
    wanted = {}
    for name in [name for name in tensors if name.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        experts, inner, outer = tensors.pop(name).shape
        packed = torch.randint(0, 256, (experts, outer, inner // 32, 16), generator=draw, dtype=torch.uint8)
        powers = torch.randint(120, 126, (experts, outer, inner // 32), generator=draw, dtype=torch.uint8)
        tensors |= {f"{name}_blocks": packed, f"{name}_scales": powers}
        pairs = torch.stack([FP4[(packed & 15).long()], FP4[(packed >> 4).long()]], dim=-1).flatten(-2)
        scaled = pairs * torch.exp2(powers.float() - 127)[..., None]
        wanted[name] = scaled.flatten(-2).transpose(1, 2)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = load(folder, device="cpu", dtype="float32")
    assert model.quantisation == "mxfp4"
    assert len(wanted) == 4
    assert differ(model, wanted) == []


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "optimum"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, "gptqmodel"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "compressed_tensors"),
        ({"quant_method": "hqq", "quant_config": {}}, "hqq"),
    ],
    ids=lambda value: value["quant_method"] if isinstance(value, dict) else value,
)
def test_what_needs_a_package_that_is_missing_is_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], package: str
) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(ModelNotSupported) as refused:
        load(qwen(tmp_path, settings), device="cpu", dtype="float32")
    assert f"quantised ({settings['quant_method']})" in str(refused.value)
    assert "unquantised weights" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"quant_method": "of-tomorrow"}, "of-tomorrow"), ({"group_size": 64, "bits": 4}, "quantised")],
)
def test_a_quantisation_that_transformers_would_ignore_is_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], name: str
) -> None:
    with pytest.raises(ModelNotSupported, match=rf"quantised \({name}\)"):
        load(qwen(tmp_path, settings), device="cpu", dtype="float32")


def int8_weights() -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return transformers.TorchAoConfig(Int8WeightOnlyConfig())


def int8_weights_and_inputs() -> Any:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    return transformers.TorchAoConfig(Int8DynamicActivationInt8WeightConfig())


def nf4() -> Any:
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )


@pytest.fixture
def unquantised(tmp_path: Path) -> Path:
    """A folder whose matrices are wide enough for every kernel, with weights of a usual size."""
    byte_level(CHATML).save_pretrained(tmp_path)
    wide = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.05}
    tiny_module("Llama", **wide).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("made", "says", "further"),
    [
        (int8_weights, "torchao, Int8WeightOnlyConfig", 0.05),
        (nf4, "bitsandbytes, 4 bits, nf4", 0.5),
    ],
)
def test_weights_quantised_while_loading_are_proved_and_recorded(
    unquantised: Path, made: Callable[[], Any], says: str, further: float
) -> None:
    plain = load(unquantised, device="cpu", dtype="float32")
    model = load(unquantised, device="cpu", dtype="float32", quantization_config=made())
    assert model.identity().quantisation == says
    assert any(f"weights are quantised ({says})" in note for note in model.notes)
    assert set(model.proof.refusals) <= {"attribution"}
    again = load(unquantised, device="cpu", dtype="float32", quantization_config=made())
    assert again.identity().fingerprint == model.identity().fingerprint
    assert model.identity().fingerprint != plain.identity().fingerprint
    states, exact = (one.capture(["Sing a song."]).tensor for one in (model, plain))
    off = (states - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert 0 < float(off.max()) < further
    assert model.reinitialised(0).capture(["Sing."]).tensor.isfinite().all()


def test_attribution_through_quantised_weights_is_that_of_the_numbers_they_stand_for(
    unquantised: Path,
) -> None:
    model = load(unquantised, device="cpu", dtype="float32", quantization_config=int8_weights())
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    found = model.attribute_heads(["Sing."], direction, blocks=[1]).at("t_inst")
    read = model.capture_heads(["Sing."], blocks=[1]).at("t_inst")[0, 0]
    projection = model.blocks.layers[1].self_attn.o_proj
    for head in range(4):
        alone = torch.zeros_like(read)
        alone[head] = read[head]
        written = projection(alone.flatten()[None])[0]
        torch.testing.assert_close(found[0, 0, head], written @ direction, rtol=1e-3, atol=1e-4)


def int8_of_bitsandbytes() -> Any:
    return transformers.BitsAndBytesConfig(load_in_8bit=True)


@pytest.mark.parametrize("made", [int8_weights_and_inputs, int8_of_bitsandbytes])
def test_where_a_state_would_depend_on_its_batch_the_model_is_refused_by_name(
    unquantised: Path, made: Callable[[], Any]
) -> None:
    """Inputs rounded to eight bits: the last bit of a sum, which a batch may change, becomes a whole step."""
    with pytest.raises(ModelNotSupported, match="depend on the prompts beside it"):
        load(unquantised, device="cpu", dtype="float32", quantization_config=made())


@pytest.mark.parametrize(
    "settings",
    [
        {"quant_method": "bitsandbytes", "load_in_8bit": True},
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8DynamicActivationInt8Weight"}}},
    ],
    ids=["bitsandbytes", "torchao"],
)
def test_what_was_stored_with_rounded_inputs_is_refused_by_name(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    folder = qwen(tmp_path, settings)
    with pytest.raises(ModelNotSupported, match="depend on the prompts beside it"):
        load(folder, device="cpu", dtype="float32")


@pytest.mark.parametrize("made", [int8_weights, nf4])
def test_models_whose_weights_differ_in_scale_alone_have_different_fingerprints(
    unquantised: Path, made: Callable[[], Any]
) -> None:
    """The packed numbers of both are the same."""
    one = load(unquantised, device="cpu", dtype="float32", quantization_config=made())
    tensors = load_file(unquantised / "model.safetensors")
    doubled = {name: tensor * 2 if "_proj" in name else tensor for name, tensor in tensors.items()}
    save_file(doubled, unquantised / "model.safetensors", metadata={"format": "pt"})
    other = load(unquantised, device="cpu", dtype="float32", quantization_config=made())
    assert one.identity().fingerprint != other.identity().fingerprint


def test_an_untrained_copy_of_a_quantised_model_does_not_pass_for_one(unquantised: Path) -> None:
    model = load(unquantised, device="cpu", dtype="float32", quantization_config=nf4())
    assert model.reinitialised(0).identity().quantisation is None


def test_what_is_quantised_already_is_not_quantised_again(tmp_path: Path) -> None:
    folder = qwen(tmp_path, {"quant_method": "fp8", "weight_block_size": [16, 16]})
    with pytest.raises(ValueError, match=r"quantised already \(fp8\)"):
        load(folder, device="cpu", quantization_config=nf4())
