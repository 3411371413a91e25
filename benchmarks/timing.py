"""Timing variants in turn, so that what slows the machine slows all of them. Knows nothing of latentguard:
peers that need other releases of transformers are timed by it in environments of their own.

What is compared is the ratio within a repeat: its median and quartiles, or for two variants the mean of the
paired ratios with a 95 % bootstrap interval.
"""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch


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
    at_least: bool = False
    """The bound is one from below."""

    @property
    def held(self) -> str:
        """Whether the ratio, or the upper end where an interval is asked for, keeps its bound."""
        if self.bound is None:
            return ""
        kept = self.ratio >= self.bound if self.at_least else self.ratio <= self.bound
        return f"{'>=' if self.at_least else '<='} {self.bound:g}: {'yes' if kept else 'NO'}"


def compared(
    variants: Mapping[str, Callable[[], Any]],
    *,
    repeats: int,
    against: str,
    bounds: Mapping[str, float] | None = None,
    at_least: bool = False,
) -> list[Line]:
    """Every variant timed once a repeat, in turn, after one round that is not timed; ratios to `against`.

    `at_least`: the bounds are from below.
    """
    seconds = _interleaved(variants, repeats)
    lines: list[Line] = []
    for name, own in seconds.items():
        ratios = [one / floor for one, floor in zip(own, seconds[against], strict=True)]
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        bound = (bounds or {}).get(name)
        lines.append(Line(name, statistics.median(own), middle, low, high, bound, at_least))
    return lines


def paired(
    name: str,
    variant: Callable[[], Any],
    against: Callable[[], Any],
    *,
    pairs: int,
    bound: float | None = None,
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
    most = None if bound is None else 1 + bound
    return (
        Line(f"{name}: mean of {pairs} pairs", medians["variant"], float(ratios.mean()), low, high),
        Line(f"{name}: upper end of the interval", medians["against"], high, low, high, most),
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
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.processor()
