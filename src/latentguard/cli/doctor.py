"""`latentguard doctor [MODEL]`: what this machine has, what a model supports, a block for a bug report."""

import importlib.metadata
import os
import platform
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentguard.cli import _options
from latentguard.cli._output import Output, shown, speaking
from latentguard.cli.check import show_checks

if TYPE_CHECKING:
    from latentguard.lm import LanguageModel, ProofRecord

PACKAGES = (
    "latentguard",
    "torch",
    "transformers",
    "accelerate",
    "safetensors",
    "huggingface_hub",
    "datasets",
)
OPTIONAL_PACKAGES = ("gguf",)

ModelOrNone = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="Also load this model and add what is proved of it.")
]


def doctor(
    model: ModelOrNone = None,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Versions, device, memory, what a model supports, and a block to paste into a bug report."""
    with speaking(as_json=as_json) as output:
        output.bars("looking at this machine", 0, 0)
        findings: dict[str, Any] = {"versions": _versions(), "machine": _machine()}
        output.bars("looking at this machine", 1, 1)
        if model is not None:
            loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
            proof = loaded.proof.record()
            findings["model"] = _model(loaded, proof)
            show_checks(proof, output)
        output.record(findings)
        _show(findings, output)


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES + OPTIONAL_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _machine() -> dict[str, Any]:
    import torch

    from latentguard.lm.precision import native_bfloat16

    accelerators = [
        {"name": torch.cuda.get_device_name(index), "memory_gib": _gib(torch.cuda.mem_get_info(index)[1])}
        for index in range(torch.cuda.device_count())
    ]
    total, available = _memory()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bfloat16": native_bfloat16(),
        "memory_gib": total,
        "memory_available_gib": available,
        "accelerators": accelerators,
        "mps": torch.backends.mps.is_available(),
    }


def _memory() -> tuple[float, float]:
    """All memory and what is free of it, in GiB."""
    import psutil

    memory = psutil.virtual_memory()
    return _gib(memory.total), _gib(memory.available)


def _model(model: "LanguageModel", proof: "ProofRecord") -> dict[str, Any]:
    """What was proved of a model at load. Names and hashes only: no path."""
    return {
        "identity": model.identity().model_dump(),
        "slots": model.n_slots,
        "proof": proof.model_dump(mode="json"),
        "notes": list(model.notes),
    }


def _show(findings: dict[str, Any], output: Output) -> None:
    output.show("For a bug report, copy from here:\n")
    output.show("```")
    for part, values in findings.items():
        for name, value in _flat(values):
            output.show(shown(f"{part}.{name}: {value}"))
    output.show("```")


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """One line a value; lists of records (the checks, whose table stands above) are left out."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            continue
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            lines.append((f"{prefix}{name}", "-" if value is None else str(value)))
    return lines


def _gib(size: int) -> float:
    return round(size / 2**30, 1)
