"""What every benchmark shares: a model, prompts of set lengths, interleaved repeats, and a table of ratios.

Variants run in turn, once a repeat, so that what slows the machine slows all of them. What is compared is the
ratio within a repeat: its median and quartiles, or for two variants the mean of the paired ratios with a 95 %
bootstrap interval. Results are asserted equal before anything is timed.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import latentguard
from latentguard.lm import LanguageModel

WORDS = (
    *("river", "stone", "garden", "winter", "letter", "window", "market", "bridge", "shadow", "engine"),
    *("paper", "silver", "meadow", "harbour", "candle", "kitchen", "village", "morning", "thunder", "basket"),
)
REAL = "qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"


def arguments(description: str, *, repeats: int) -> argparse.Namespace:
    """The command line that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", help="what latentguard.load takes; default: the real 0.5B, see README.md")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def subject(given: argparse.Namespace) -> LanguageModel:
    """The model under test: the one named, or the real 0.5B of `LATENTGUARD_MODELS`."""
    folder = Path(os.environ.get("LATENTGUARD_MODELS", Path.home() / ".cache" / "latentguard-models"))
    return latentguard.load(given.model or folder / REAL, dtype=given.dtype)


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


@dataclass(frozen=True, slots=True)
class Line:
    """One variant beside the one that all are measured against."""

    name: str
    seconds: float
    """Median of its repeats."""
    ratio: float
    low: float
    high: float
    bound: float | None = None

    @property
    def held(self) -> str:
        """Whether the ratio, or the upper end where an interval is asked for, keeps its bound."""
        return (
            "" if self.bound is None else f"<= {self.bound:g}: {'yes' if self.ratio <= self.bound else 'NO'}"
        )


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
        given.out.mkdir(parents=True, exist_ok=True)
        machine = {
            "model": model.name,
            "quantisation": model.quantisation,
            "dtype": str(model.dtype).removeprefix("torch."),
            "blocks": model.n_blocks,
            "threads": torch.get_num_threads(),
            "processor": _processor(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "latentguard": latentguard.__version__,
            "repeats": given.repeats,
        }
        found = {"question": self.question, "machine": machine, "notes": self.notes}
        found["lines"] = [asdict(line) for line in self.lines]
        (given.out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
        table = [f"| {self.question} | median, s | ratio | {self.of} | bound |", "|---|---|---|---|---|"]
        table += [
            f"| {one.name} | {one.seconds:.3f} | {one.ratio:.3f} "
            f"| {one.low:.3f} to {one.high:.3f} | {one.held} |"
            for one in self.lines
        ]
        written = "\n".join([*table, "", *self.notes, "", ", ".join(f"{k} {v}" for k, v in machine.items())])
        (given.out / f"{name}.md").write_text(written + "\n")
        print(written)


def compared(
    variants: Mapping[str, Callable[[], Any]],
    *,
    repeats: int,
    against: str,
    bounds: Mapping[str, float] | None = None,
) -> list[Line]:
    """Every variant timed once a repeat, in turn, after one round that is not timed; ratios to `against`."""
    seconds = _interleaved(variants, repeats)
    lines: list[Line] = []
    for name, own in seconds.items():
        ratios = [one / floor for one, floor in zip(own, seconds[against], strict=True)]
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        bound = (bounds or {}).get(name)
        lines.append(Line(name, statistics.median(own), middle, low, high, bound))
    return lines


def paired(
    name: str, variant: Callable[[], Any], against: Callable[[], Any], *, pairs: int, bound: float
) -> tuple[Line, Line]:
    """Two variants in alternating order; the mean of their paired ratios, 95 % bootstrap interval.

    The bound is on the interval's upper end, so `ratio` in the line is that upper end.
    """
    seconds = _interleaved({"variant": variant, "against": against}, pairs)
    ratios = np.array(seconds["variant"]) / np.array(seconds["against"])
    draw = np.random.default_rng(0)
    means = np.sort(draw.choice(ratios, (10_000, len(ratios))).mean(axis=1))
    low, high = float(means[250]), float(means[9749])
    medians = {key: statistics.median(own) for key, own in seconds.items()}
    return (
        Line(f"{name}: mean of {pairs} pairs", medians["variant"], float(ratios.mean()), low, high),
        Line(f"{name}: upper end of the interval", medians["against"], high, low, high, 1 + bound),
    )


def _interleaved(variants: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for run in variants.values():
        run()
    for repeat in range(repeats):
        order = list(variants.items())
        for name, run in order if repeat % 2 == 0 else reversed(order):
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.processor()
