"""From a name to a proved model: a hub id, a folder, or a GGUF file. Safetensors or GGUF, never pickle."""

import copy
import os
import shutil
import tempfile
import weakref
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from latentguard._text import inert
from latentguard.errors import DeviceNotAvailable, ModelNotFound, ModelNotSupported
from latentguard.lm.adapter import base_of, is_adapter, merged
from latentguard.lm.gguf import transformers_reading
from latentguard.lm.model import LanguageModel
from latentguard.lm.partial import Beginning, PartialModel
from latentguard.lm.precision import Choice, choose_dtype
from latentguard.lm.quantised import (
    cannot_be_quantised,
    needs_package,
    quantisation,
    require_known,
    require_states_of_their_own,
    told_to_unpack,
)
from latentguard.lm.source import Source
from latentguard.lm.spread import Devices, devices_of


def load(
    name_or_path: str | os.PathLike[str],
    *,
    device: str | Devices = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
    quantization_config: Any = None,
    adapter: str | os.PathLike[str] | None = None,
    blocks: int | None = None,
    name: str | None = None,
) -> LanguageModel:
    """A decoder chat model from a hub id, a folder, `FILE.gguf` or `REPO:FILE.gguf`, proved part by part.

    `device`: "auto" takes a GPU where there is one; "spread" lays the model over all of them, and what they
    have no room for in memory; a mapping says where each part goes (`spread.Devices`). `dtype`: "auto" keeps
    the checkpoint's own on a GPU and where the model is spread (bfloat16 for a GGUF file, which has none),
    and measures on a CPU (see `precision.py`); otherwise "float32", "bfloat16" or "float16".
    `quantization_config`: transformers' own, for weights that are quantised while they are loaded
    (bitsandbytes, torchao); artefacts record it. `adapter`: the folder of a PEFT adapter, merged
    into the weights in memory; where `name_or_path` is such a folder, its base is loaded and it is merged.
    `blocks`: how many blocks are loaded, from the first on, for slots 0..`blocks` (`partial.py`); no reply
    can be had of what is loaded then. None: all of them.
    `name` is what artefacts call the model. Raises `ModelNotFound`, `ModelNotSupported`, `TemplateError`,
    `DeviceNotAvailable`, and `ValueError` for blocks that the model has not.
    """
    place = None
    if isinstance(device, str) and device != "spread":
        place = device_named(device)
    elif not isinstance(device, str):
        _require_devices(device)
    if adapter is None and is_adapter(os.fspath(name_or_path)):
        name_or_path, adapter = base_of(os.fspath(name_or_path)), name_or_path
    if adapter is not None and (place is None or quantization_config is not None):
        raise ValueError("an adapter is merged into plain weights on one device")
    source = Source.of(name_or_path, name)
    stated = source.gguf_type(revision)
    options = {"revision": revision, "trust_remote_code": trust_remote_code, **source.keywords}
    with transformers_reading(blocks) if source.gguf else nullcontext():
        config = source.read_by(AutoConfig, **options)
        if getattr(config, "is_encoder_decoder", False):
            raise ModelNotSupported(
                f"{source.name} is an encoder-decoder; only decoder chat models are read."
            )
        require_known(source.name, config)
        stored = stated or quantisation(config)
        if quantization_config is not None:
            require_states_of_their_own(source.name, quantization_config)
        if quantization_config is not None and stored is not None:
            raise ValueError(
                f"{source.name} is quantised already ({stored}); it takes no quantization_config"
            )
        whole_blocks = _blocks_of(source, config, blocks)
        loader = AutoModelForCausalLM if blocks is None else Beginning(blocks)
        tokenizer = source.read_by(AutoTokenizer, config=config, **options)

        def weights(of: torch.dtype | str) -> Any:
            own = told_to_unpack(copy.deepcopy(config))
            if place is None:
                return _spread(source, loader, own, of, device, options, quantization_config)
            if quantization_config is not None:  # such weights are made in their place, and stay there
                there = {**options, "device_map": {"": str(place)}}
                return _weights(source, loader, own, of, there, quantization_config).eval()
            module = _weights(source, loader, own, of, options)
            return (module if adapter is None else merged(module, os.fspath(adapter))).to(place).eval()

        unstated = torch.bfloat16 if source.gguf else "auto"
        measured = None if quantization_config is not None else place
        choice = _chosen(dtype, measured, tokenizer, weights, unstated)
    notes = [choice.note] if choice.note else []
    if devices := devices_of(choice.module):
        notes.append(f"the model is spread over {devices}")
    quantised = stored or quantisation(choice.module.config)
    if quantised:
        notes.append(f"weights are quantised ({quantised}): results are about the quantised model")
    made = LanguageModel if blocks is None else partial(PartialModel, whole_blocks=whole_blocks)
    return made(
        choice.module,
        tokenizer,
        name=source.name if adapter is None else f"{source.name} + {Path(adapter).resolve().name}",
        revision=source.commit(revision),
        quantisation=quantised,
        notes=notes,
    )


def _blocks_of(source: Source, config: Any, wanted: int | None) -> int:
    """How many blocks the model has. Raises `ValueError` where those `wanted` are not among them."""
    total = int(getattr(config.get_text_config(decoder=True), "num_hidden_layers", 0))
    if wanted is not None and not 1 <= wanted <= total:
        raise ValueError(f"{wanted} blocks of {inert(source.name)} were asked for; it has {total}")
    return total


def _weights(
    source: Source,
    loader: Any,
    config: Any,
    dtype: torch.dtype | str,
    options: dict[str, Any],
    quantised: Any = None,
) -> Any:
    """The model itself: safetensors, or a GGUF file unpacked to plain weights, which alone can be hooked.

    Raises `ModelNotSupported` where a tensor is missing or does not fit: transformers fills it at random.
    """
    kind: dict[str, Any] = {"use_safetensors": True}
    if quantised is not None:
        kind["quantization_config"] = quantised
    if source.gguf is not None:
        unpacked = getattr(transformers, "GgufConfig", None)  # releases without it always unpack
        kind = {} if unpacked is None else {"quantization_config": unpacked(dequantize=True)}
    try:
        module, report = source.read_by(
            loader,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are reported here, by name
            **kind,
            **options,
        )
    except torch.OutOfMemoryError:
        raise
    except (SafetensorError, RuntimeError) as error:
        if quantised is not None:
            raise cannot_be_quantised(source.name, quantised, str(error)) from error
        if quantisation(config) is not None and not isinstance(error, SafetensorError):
            raise needs_package(source.name, config, error) from error
        raise _unsound(source, str(error)) from error
    misshapen = (key if isinstance(key, str) else str(key[0]) for key in report["mismatched_keys"])
    unread = sorted({*report["missing_keys"], *misshapen})
    if unread:
        what = f"{len(unread)} tensors are missing or misshapen, the first: {unread[0]}"
        if quantised is not None:
            raise cannot_be_quantised(source.name, quantised, what)
        raise _unsound(source, what)
    return module


def _require_devices(devices: Devices) -> None:
    """Raise `DeviceNotAvailable` for a map that names no part, or a device that this machine has not."""
    if not devices or "auto" in devices.values():
        raise DeviceNotAvailable(
            f"{dict(devices)!r} gives no device of this machine to a part of the model.\n"
            "  Name every part's device, or let 'spread' find them."
        )
    for device in set(devices.values()) - {"disk"}:
        device_named(f"cuda:{device}" if isinstance(device, int) else device)


def _spread(
    source: Source,
    loader: Any,
    config: Any,
    dtype: torch.dtype | str,
    device: str | Devices,
    options: dict[str, Any],
    quantised: Any,
) -> Any:
    """The model laid over several devices by accelerate. What goes to disk is gone with the model."""
    devices = "auto" if isinstance(device, str) else dict(device)
    folder = tempfile.mkdtemp(prefix="latentguard-")
    try:
        placed = {**options, "device_map": devices, "offload_folder": folder}
        module = _weights(source, loader, config, dtype, placed, quantised).eval()
    except (ModelNotFound, ModelNotSupported) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if type(error.__cause__) not in (ValueError, KeyError, RuntimeError):
            raise
        raise ModelNotSupported(
            f"{inert(source.name)} cannot be laid over {devices}.\n"
            f"  {inert(str(error.__cause__), limit=300)}\n"
            "  A map gives every part a device. Weights from GGUF, or quantised while loading, take no disk."
        ) from error.__cause__
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(module, shutil.rmtree, folder, ignore_errors=True)
    return module


def _unsound(source: Source, evidence: str) -> ModelNotSupported:
    said = evidence.strip().splitlines() or [""]
    return ModelNotSupported(
        f"the weights of {inert(source.name)} are damaged, or belong to another config.\n"
        f"  {inert(said[0], limit=300)}\n  Nothing of it is read. Fetch the model again."
    )


def _chosen(
    dtype: str, device: torch.device | None, tokenizer: Any, weights: Any, unstated: torch.dtype | str
) -> Choice:
    """`unstated`: what "auto" means where nothing is measured: on an accelerator, and without a `device`."""
    if dtype == "auto" and device is not None and device.type == "cpu":
        return choose_dtype(weights, tokenizer)
    if dtype == "auto":
        return Choice(weights(unstated), "")
    named = getattr(torch, dtype, None)
    if named not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype {dtype!r} is none of auto, float32, bfloat16, float16")
    return Choice(weights(named), "")


def device_named(device: str) -> torch.device:
    """The device of that name. Raises `DeviceNotAvailable` before anything is read."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.empty(0, device=device).device
        if place.type == "meta":
            raise RuntimeError("it has no memory")
        return place
    except (RuntimeError, AssertionError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DeviceNotAvailable(
            f"this machine cannot use the device {inert(device)!r} ({inert(said[0], limit=200)}).\n"
            "  Give auto, cpu, a device of this machine such as cuda or cuda:1, or spread for all GPUs."
        ) from error
