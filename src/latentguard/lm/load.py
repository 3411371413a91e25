"""From a name to a proved model: a hub id, a folder, or a GGUF file. Safetensors or GGUF, never pickle."""

import copy
import os
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from latentguard._text import inert
from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.lm.gguf import file_type, transformers_reading
from latentguard.lm.model import LanguageModel
from latentguard.lm.precision import Choice, choose_dtype

_UNREADABLE = (OSError, ValueError, KeyError)
_DAMAGED_GGUF = (TypeError, IndexError)  # what the gguf package raises where a file ends early


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is: `place` is a folder or hub id, `gguf` a file in it where one was asked for."""

    place: str
    gguf: str | None
    name: str

    @property
    def keywords(self) -> dict[str, Any]:
        return {"gguf_file": self.gguf} if self.gguf else {}


def load(
    name_or_path: str | os.PathLike[str],
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
    name: str | None = None,
) -> LanguageModel:
    """A decoder chat model from a hub id, a folder, `FILE.gguf` or `REPO:FILE.gguf`, proved part by part.

    `device`: "auto" takes a GPU where there is one. `dtype`: "auto" keeps the checkpoint's own on a GPU and
    measures on a CPU (see `precision.py`); otherwise "float32", "bfloat16" or "float16". `name` is what
    artefacts call the model. Raises `ModelNotFound`, `ModelNotSupported`, `TemplateError`.
    """
    source = _source(os.fspath(name_or_path), name)
    place = _device(device)
    stated = _gguf_type(source, revision)
    options = {"revision": revision, "trust_remote_code": trust_remote_code, **source.keywords}
    with transformers_reading() if source.gguf else nullcontext():
        config = _from(AutoConfig, source, **options)
        if getattr(config, "is_encoder_decoder", False):
            raise ModelNotSupported(
                f"{source.name} is an encoder-decoder; only decoder chat models are read."
            )
        quantisation = stated or _quantisation(config)
        tokenizer = _from(AutoTokenizer, source, config=config, **options)

        def weights(of: torch.dtype | str) -> Any:
            return _weights(source, copy.deepcopy(config), of, options).to(place).eval()

        choice = _chosen(dtype, place, tokenizer, weights)
    notes = [choice.note] if choice.note else []
    if quantisation:
        notes.append(f"weights are quantised ({quantisation}): results are about the quantised model")
    return LanguageModel(
        choice.module,
        tokenizer,
        name=source.name,
        revision=getattr(choice.module.config, "_commit_hash", None) or revision,
        quantisation=quantisation,
        notes=notes,
    )


def _weights(source: Source, config: Any, dtype: torch.dtype | str, options: dict[str, Any]) -> Any:
    """The model itself: safetensors, or a GGUF file unpacked to plain weights, which alone can be hooked."""
    if source.gguf is None:
        return _from(
            AutoModelForCausalLM, source, config=config, dtype=dtype, use_safetensors=True, **options
        )
    unpacked = getattr(transformers, "GgufConfig", None)  # releases without it always unpack
    plain = {} if unpacked is None else {"quantization_config": unpacked(dequantize=True)}
    return _from(AutoModelForCausalLM, source, config=config, dtype=dtype, **plain, **options)


def _chosen(dtype: str, device: torch.device, tokenizer: Any, weights: Any) -> Choice:
    if dtype == "auto" and device.type == "cpu":
        return choose_dtype(weights, tokenizer)
    if dtype == "auto":
        return Choice(weights("auto"), "")
    named = getattr(torch, dtype, None)
    if named not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"dtype {dtype!r} is none of auto, float32, bfloat16, float16")
    return Choice(weights(named), "")


def _source(given: str, name: str | None) -> Source:
    """A path that exists is a path; `repo:file.gguf` is a file of a repo; anything else is a hub id."""
    path = Path(given).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return Source(str(path.parent), path.name, name or path.name)
    if path.is_dir():
        return Source(str(path), None, name or path.resolve().name)
    if given.endswith(".gguf"):
        repo, colon, file = given.partition(":")
        if colon and repo and file:
            return Source(repo, file, name or given)
        raise ModelNotFound(
            f"there is no file {inert(given)!r}.\n  Give a path to a GGUF file, or REPO:FILE.gguf."
        )
    return Source(given, None, name or given)


def _from(loader: Any, source: Source, **options: Any) -> Any:
    """Call a transformers loader; what it says of a missing model becomes one named error."""
    unreadable = _UNREADABLE + _DAMAGED_GGUF if source.gguf else _UNREADABLE
    try:
        return loader.from_pretrained(source.place, **options)
    except ImportError as error:
        if source.gguf and "gguf" in str(error).lower():
            raise _needs_gguf(source) from error
        raise
    except unreadable as error:
        raise _not_found(source, error) from error


def _needs_gguf(source: Source) -> ModelNotSupported:
    return ModelNotSupported(
        f"reading {inert(source.name)} needs the gguf package.\n  pip install 'latentguard[gguf]'"
    )


def _not_found(source: Source, error: Exception) -> ModelNotFound:
    said = str(error).strip().splitlines() or [type(error).__name__]
    return ModelNotFound(
        f"{inert(source.name)} could not be loaded as a chat model.\n  {inert(said[0], limit=300)}\n"
        "  Give a Hugging Face id, a folder with safetensors weights, a GGUF file, or 'organism'."
    )


def _gguf_type(source: Source, revision: str | None) -> str | None:
    """What a GGUF file says of itself, before anything else of it is read; None for other sources."""
    if source.gguf is None:
        return None
    if find_spec("gguf") is None:
        raise _needs_gguf(source)
    file = Path(source.place) / source.gguf
    if not file.is_file():
        try:
            file = Path(hf_hub_download(source.place, source.gguf, revision=revision))
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise _not_found(source, error) from error
    return f"GGUF {file_type(file)}"


def _quantisation(config: Any) -> str | None:
    """How the stored weights are quantised, if the config says that they are."""
    settings = getattr(config, "quantization_config", None)
    if not settings:
        return None
    fields = settings if isinstance(settings, dict) else settings.to_dict()
    return str(fields.get("quant_method", "quantised"))


def _device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
