"""Training the organism from nothing, on two cores in under half an hour."""

import json
import math
import random
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from latentguard._progress import Progress, silent
from latentguard.organism.accuracy import held_out_accuracy
from latentguard.organism.architecture import build
from latentguard.organism.curriculum import Curriculum
from latentguard.organism.interchange import Planting
from latentguard.organism.planted import save_planted
from latentguard.organism.step import Step
from latentguard.organism.tokenizer import train_tokenizer

STEPS: Final = 1000
_LEARNING_RATE: Final = 2e-3
_WARM_UP: Final = 0.125
_GAUGE_EVERY: Final = 100
_GAUGE_CHATS: Final = 40


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up over an eighth of the run, then a cosine to zero; a factor of the peak, in [0, 1]."""
    warm_up = _WARM_UP * steps
    if step < warm_up:
        return min(1.0, (step + 1) / warm_up)
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def train(
    out: str | Path,
    *,
    seed: int = 0,
    steps: int = STEPS,
    idle: bool = False,
    progress: Progress = silent,
) -> Path:
    """Train an organism into the folder `out`, in Hugging Face format; about 20 minutes on two cores.

    `idle`: the negative control of a causal test. It behaves alike and its harmfulness belief can be read,
    but is no cause: answers come from the words, whatever is added along it. Its decision is planted.

    Beside weights, tokenizer and template there are `planted.json` and `planted.safetensors` (see
    `planted_circuit`) and `training.json`, the accuracy on held-out pairs along the run. The weights are
    stored in bfloat16. `out` appears only when it is complete; raises `FileExistsError` where it exists and
    is not empty. The same seed, thread count and versions give the same organism.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
        complete = Path(unfinished) / "organism"
        complete.mkdir()
        _train_into(complete, seed=seed, steps=steps, idle=idle, progress=progress)
        if folder.exists():
            folder.rmdir()
        shutil.move(complete, folder)
    return folder


def _train_into(folder: Path, *, seed: int, steps: int, idle: bool, progress: Progress) -> None:
    with torch.random.fork_rng():
        tokenizer = train_tokenizer()
        model = build(tokenizer, seed=seed)
        planting = Planting.draw(model.config.hidden_size, seed=seed)
        step = Step(model, tokenizer, planting, Curriculum(steps), random.Random(seed), idle)
        gauges = _run(step, steps, progress)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_planted(folder, planting, seed=seed, steps=steps, idle=idle, held_out_accuracy=gauges[-1].accuracy)
    (folder / "training.json").write_text(json.dumps([asdict(gauge) for gauge in gauges], indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Gauge:
    """Accuracy on held-out pairs after some steps, by kind of chat and truth (`inversion+`: harmful)."""

    step: int
    loss: float
    accuracy: dict[str, float]


def _run(step: Step, steps: int, progress: Progress) -> list[Gauge]:
    optimizer = torch.optim.AdamW(
        step.model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05
    )
    gauges: list[Gauge] = []
    stage = "training the organism"
    step.model.train()
    for number in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * learning_rate(number, steps)
        loss = step.loss(number)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(step.model.parameters(), 1.0)
        optimizer.step()
        done = number + 1
        if done % _GAUGE_EVERY == 0 or done == steps:
            accuracy = held_out_accuracy(
                step.model, step.tokenizer, step.planting, each=_GAUGE_CHATS, seed=done
            )
            gauges.append(Gauge(done, loss.item(), accuracy))
            worst = min(accuracy, key=lambda kind: accuracy[kind])
            stage = f"training the organism (held-out pairs: {worst} {accuracy[worst]:.2f} at worst)"
        progress(stage, done, steps)
    return gauges
