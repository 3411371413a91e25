"""What a certificate costs before it is begun: forward passes, tokens, minutes, memory.

An edited run that goes on from block b costs (L - b) / L of a forward pass. Where a direction will turn most
is not known before, so an edit at a chosen place is counted as the mean over the blocks that are tried.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from latentguard.causal.experiment import PRICED, Effort
from latentguard.causal.records import TaskName
from latentguard.causal.trial import TEXTS, Trial
from latentguard.data import Item, Prompt, with_endings
from latentguard.lm import LanguageModel, Rendered

ARMS = 4
"""Both directions, and each without the other."""
CONTROLLED = 2
"""The directions themselves: they have controls, and a small effort sweeps them alone."""
REPLY_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """An estimate: what is not known before is counted at its middle."""

    forwards: float
    """Whole forward passes of one prompt each."""
    tokens: float
    minutes: float
    gigabytes: float
    """Of the model, the states that are kept and the largest batch."""


def plan(
    model: LanguageModel, trial: Trial, *, tasks: Sequence[TaskName], effort: Effort | None = None
) -> Plan:
    """The price of `certify` with the same arguments. Runs a few prompts to see how fast this machine is."""
    tried = effort or Effort()
    forwards = tokens = 0.0

    def add(prompts: Sequence[Rendered], runs: int | float) -> None:
        nonlocal forwards, tokens
        forwards += runs * len(prompts)
        tokens += runs * sum(len(one.ids) for one in prompts)

    fit = [model.render(one.messages) for one in trial.fit]
    variants = [model.render(one.messages) for one in with_endings(trial.fit)]
    reported = [model.render(one.messages) for one in trial.report]
    add(variants, 1)
    add([*fit, *reported], 2)  # replied to, and read
    tokens += REPLY_TOKENS * (len(fit) + len(reported))
    for task in tasks:
        select, report = (
            (_rendered(model, trial.select_items), _rendered(model, trial.report_items))
            if task == "inversion"
            else (_direct(model, trial.select), _direct(model, trial.report))
        )
        add(select, 2 + selecting(model.n_blocks, tried))
        add(report, 1 + reporting(model.n_blocks, tried))
        texts = _direct(model, [one for one in trial.report if one.label == "harmless"][:TEXTS])
        priced = ARMS + 1 + CONTROLLED * min(PRICED, tried.random)
        add(texts, 2 * (1 + priced * _resumed(model.n_blocks, tried)))
        if task == "refusal":
            add(report, CONTROLLED)
            tokens += REPLY_TOKENS * CONTROLLED * len(report)
    longest = max(len(one.ids) for one in variants)
    return Plan(
        forwards=forwards,
        tokens=tokens,
        minutes=tokens / _tokens_a_second(model, reported) / 60,
        gigabytes=_bytes(model, trial, longest, tried) / 1e9,
    )


def selecting(n_blocks: int, effort: Effort) -> float:
    """Forward passes of one selection prompt beside its unedited ones."""
    blocks = effort.blocks or tuple(range(n_blocks))
    curve = len(blocks) * _resumed(n_blocks, effort)
    if effort.full:
        return len(effort.scales) * (1 + ARMS * curve)
    other = sum(scale != 1.0 for scale in effort.scales)
    return 1 + CONTROLLED * curve + (1 + CONTROLLED * other * curve / len(blocks) if other else 0.0)


def reporting(n_blocks: int, effort: Effort) -> float:
    """Forward passes of one reported prompt beside its unedited ones."""
    placed = 1 + (ARMS + 1 + CONTROLLED * (effort.random + effort.shuffled)) * _resumed(n_blocks, effort)
    return placed + (selecting(n_blocks, effort) if effort.full else 0.0)


def _resumed(n_blocks: int, effort: Effort) -> float:
    """Of a forward pass: an edited run, in the mean over the blocks that are tried."""
    blocks = effort.blocks or tuple(range(n_blocks))
    return sum((n_blocks - block) / n_blocks for block in blocks) / len(blocks)


def _tokens_a_second(model: LanguageModel, prompts: Sequence[Rendered]) -> float:
    some = prompts[:8]
    model.next_token_logits(some[:1])
    begun = time.perf_counter()
    model.next_token_logits(some)
    return sum(len(one.ids) for one in some) / max(time.perf_counter() - begun, 1e-9)


def _bytes(model: LanguageModel, trial: Trial, longest: int, effort: Effort) -> float:
    size = model.dtype.itemsize
    weights = sum(one.numel() * one.element_size() for one in model.module.parameters())
    variants = 4 * len(trial.fit) + len(trial.report)
    kept = variants * 2 * model.n_slots * model.hidden_size * size
    batch = effort.at_once * longest * model.hidden_size * size * 12
    logits = effort.at_once * model.blocks.config.vocab_size * 4 * 4
    return float(weights + kept + batch + logits)


def _rendered(model: LanguageModel, items: Sequence[Item]) -> list[Rendered]:
    return [item.rendered(model) for item in items]


def _direct(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Rendered]:
    return [model.render(one.messages) for one in prompts]
