"""What every benchmark shares: a model, prompts of set lengths, and a table of ratios (`timing.py`).

Results are asserted equal before anything is timed.
"""

import argparse
import json
import math
import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from shapes import SHAPES, of_shape
from timing import Line, compared, paired, processor

import latentguard
from latentguard.lm import LanguageModel
from latentguard.lm.proof.checks import TOLERANCE, gap

WORDS = (
    *("river", "stone", "garden", "winter", "letter", "window", "market", "bridge", "shadow", "engine"),
    *("paper", "silver", "meadow", "harbour", "candle", "kitchen", "village", "morning", "thunder", "basket"),
)
__all__ = [
    "Line",
    "Report",
    "arguments",
    "assert_same",
    "compared",
    "lengths",
    "paired",
    "sentences",
    "subject",
    "written",
]

REAL = "qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"


def arguments(
    description: str,
    *,
    repeats: int,
    peer: Sequence[str] = (),
    blocks: bool = False,
    guarded: bool = False,
    unshared: bool = False,
    prompts: int | None = None,
) -> argparse.Namespace:
    """The command line that all benchmarks have; from `peer` on: and the options of some."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--model",
        help=f"what latentguard.load takes, or {', '.join(SHAPES)}: random weights; default: the real 0.5B",
    )
    parser.add_argument("--times", type=int, default=1, help="so many times the prompts, for an accelerator")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    if peer:
        parser.add_argument("--peer", choices=peer, required=True)
    if blocks:
        parser.add_argument("--blocks", type=int, help="a random model of that many blocks in place of it")
    if prompts is not None:
        parser.add_argument("--prompts", type=int, default=prompts, help="how many are read")
    if unshared:
        parser.add_argument(
            "--unshared", action="store_true", help="run every prompt whole: reading alone, without sharing"
        )
    if guarded:
        parser.add_argument("--guard", type=Path, help="folder of a guard that was fitted on this model")
        parser.add_argument("--data", type=Path, nargs="+", help="files of prompts")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def subject(given: argparse.Namespace) -> LanguageModel:
    """The model under test: the one named, or the real 0.5B of `LATENTGUARD_MODELS`, or its random shape."""
    folder = Path(os.environ.get("LATENTGUARD_MODELS", Path.home() / ".cache" / "latentguard-models"))
    named = given.model or (folder / REAL if (folder / REAL).exists() else "random-0.5b")
    if named in SHAPES:
        return of_shape(named, given.dtype)
    return latentguard.load(named, dtype=given.dtype)


def assert_same(found: torch.Tensor, wanted: torch.Tensor, model: LanguageModel) -> None:
    """In float32 number by number; in half precision vector by vector, within what the proof lets rounding
    explain."""
    found, wanted = found.cpu().float(), wanted.cpu().float()
    if model.dtype is torch.float32:
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
        return
    apart = gap(found, wanted)
    assert apart <= TOLERANCE[model.dtype], f"{apart:.2e} apart"


def sentences(model: LanguageModel, tokens: Sequence[int], *, seed: int = 0) -> list[str]:
    """One sentence of harmless words for every number of tokens, that long in this model's tokenizer."""
    draw = random.Random(seed)
    made: list[str] = []
    for wanted in tokens:
        words: list[str] = []
        while len(model.tokenizer(" ".join(words))["input_ids"]) < wanted:
            words.append(draw.choice(WORDS))
        made.append(" ".join(words))
    return made


def lengths(*, short: int = 64, long: int = 16, seed: int = 0) -> list[int]:
    """Tokens of each prompt: log-normal around a mean of 26, and around a mean of 200 for the long ones."""
    draw = np.random.default_rng(seed)
    spread = 0.6
    means = [26.0] * short + [200.0] * long
    return [max(3, round(float(draw.lognormal(math.log(mean) - spread**2 / 2, spread)))) for mean in means]


@dataclass(slots=True)
class Report:
    """What one benchmark found, written as JSON and as a Markdown table."""

    question: str
    of: str
    """What the ratio's interval is: quartiles, or a 95 % interval of the mean."""
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, name: str, model: LanguageModel, given: argparse.Namespace) -> None:
        """`OUT/NAME.json` and `OUT/NAME.md`, and the table on the terminal."""
        table = [f"| {self.question} | median, s | ratio | {self.of} | bound |", "|---|---|---|---|---|"]
        table += [
            f"| {one.name} | {one.seconds:.3f} | {one.ratio:.3f} "
            f"| {one.low:.3f} to {one.high:.3f} | {one.held} |"
            for one in self.lines
        ]
        lines = [asdict(line) for line in self.lines]
        written(name, {"question": self.question, "lines": lines}, table, self.notes, model, given)


def written(
    name: str,
    found: dict[str, Any],
    table: list[str],
    notes: list[str],
    model: LanguageModel,
    given: argparse.Namespace,
    *,
    dtype: str | None = None,
) -> None:
    """`OUT/NAME.json` of what was found, and `OUT/NAME.md`, also on the terminal; both name the machine."""
    machine = {
        "model": model.name,
        "quantisation": model.quantisation,
        "dtype": dtype or str(model.dtype).removeprefix("torch."),
        "blocks": model.n_blocks,
        "threads": torch.get_num_threads(),
        "processor": processor() if model.device.type == "cpu" else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "latentguard": latentguard.__version__,
        "repeats": given.repeats,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    everything = {**found, "machine": machine, "notes": notes}
    (given.out / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n")
    text = "\n".join([*table, "", *notes, "", ", ".join(f"{key} {value}" for key, value in machine.items())])
    (given.out / f"{name}.md").write_text(text + "\n")
    print(text)
