"""How a model's weights are quantised: as they are stored, or as they are told to be when they are loaded."""

from typing import Any

import transformers
from transformers.quantizers.auto import AutoHfQuantizer

from latentguard._text import inert
from latentguard.errors import ModelNotSupported

_UNPACKED = ("fp8", "mxfp4")
"""Stored in these ways weights can be unpacked exactly while they are loaded."""


def quantisation(config: Any) -> str | None:
    """`fp8`, `bitsandbytes, 4 bits, nf4`, `torchao, Int8WeightOnlyConfig`: what a model's config says of its
    weights; None where it says nothing."""
    settings = _settings(config)
    if not settings:
        return None
    method = settings.get("quant_method", "quantised")
    said = [str(getattr(method, "value", method))]
    said += [f"{bits} bits" for bits in (4, 8) if settings.get(f"load_in_{bits}bit")]
    if settings.get("load_in_4bit"):
        said.append(str(settings.get("bnb_4bit_quant_type", "fp4")))
    kind = getattr(getattr(config, "quantization_config", None), "quant_type", None)
    if kind is not None:
        said.append(kind if isinstance(kind, str) else type(kind).__name__)
    return ", ".join(said)


def told_to_unpack(config: Any) -> Any:
    """The same config, by which FP8 and MXFP4 are unpacked to the numbers that they stand for everywhere.

    Left to itself transformers unpacks them only where it finds no accelerator or no kernels. With both it
    multiplies them as they are stored; of FP8 it then rounds inputs, too.
    """
    settings = _settings(config)
    if settings.get("quant_method") in _UNPACKED:
        config.quantization_config = {**settings, "dequantize": True}
    return config


def require_known(name: str, config: Any) -> None:
    """Raise `ModelNotSupported` for weights stored in a way which transformers ignores, or which rounds
    inputs."""
    stored = quantisation(config)
    if stored is not None and not _is_known(_settings(config)):
        raise ModelNotSupported(
            f"{inert(name)} is stored quantised ({inert(stored, limit=60)}), which transformers "
            f"{transformers.__version__} does not read.\n"
            "  Give the unquantised weights of this model, or install a release that reads it."
        )
    if stored is not None:
        require_states_of_their_own(name, _settings(config))


def require_states_of_their_own(name: str, settings: Any) -> None:
    """Raise `ModelNotSupported` where inputs would be rounded, too: a state then depends on its batch.

    `settings`: transformers' own, stored or as a caller gave them. LLM.int8() takes columns out of the
    rounding by the largest value of the whole batch; a rounded sum may differ by a whole step with the
    batch that it is computed in. Whether a few prompts show it is chance, so it is refused by name.
    """
    told = settings if isinstance(settings, dict) else settings.to_dict()
    kind = getattr(settings, "quant_type", told.get("quant_type"))
    named = kind if isinstance(kind, str) else type(kind).__name__
    whole = f"{named} {kind}".lower().replace("_", "")  # a stored kind is a dict that names its class
    if told.get("load_in_8bit") or "dynamicactivation" in whole:
        raise ModelNotSupported(
            f"{inert(name)} would round what its layers are given, too "
            f"({'bitsandbytes, 8 bits' if told.get('load_in_8bit') else inert(named, limit=60)}), so that a "
            "state would depend on the prompts beside it.\n"
            "  Quantise the weights alone: bitsandbytes with 4 bits, torchao's weight-only kinds."
        )


def needs_package(name: str, config: Any, error: Exception) -> ModelNotSupported:
    """Most often what reads weights that are stored quantised: each way has its package, or its device."""
    stored = quantisation(config)
    how = "needs a package that is not installed" if stored is None else f"is stored quantised ({stored})"
    said = str(error).strip().splitlines() or [type(error).__name__]
    return ModelNotSupported(
        f"{inert(name)} {how}.\n  transformers says: {inert(said[0], limit=300)}\n"
        "  Give it what it asks for, or the unquantised weights of this model."
    )


def cannot_be_quantised(name: str, wanted: Any, evidence: str) -> ModelNotSupported:
    """The weights could not be loaded as the caller told them to be."""
    said = evidence.strip().splitlines() or [""]
    return ModelNotSupported(
        f"{inert(name)} cannot be loaded with {type(wanted).__name__} here.\n  {inert(said[0], limit=300)}\n"
        "  Another quantisation may run on this device; without one the model is loaded as it is."
    )


def _is_known(settings: dict[str, Any]) -> bool:
    named = settings.get("quant_method") or settings.get("load_in_4bit") or settings.get("load_in_8bit")
    return bool(named) and AutoHfQuantizer.supports_quant_method(settings)


def _settings(config: Any) -> dict[str, Any]:
    settings = getattr(config, "quantization_config", None) or {}
    return settings if isinstance(settings, dict) else settings.to_dict()
