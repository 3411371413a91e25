"""What the scripts of this folder share: prompts of the public sets, Markdown tables, lines on the screen."""

import random
import time
from pathlib import Path

from rich.console import Console

from latentguard.data import Prompt, read_prompts
from latentguard.statistics import Estimate

log = Console(stderr=True)


def plain(shared: Path, name: str) -> list[Prompt]:
    """The English prompts of one set that no attack wraps; CoCoNot: its harmless contrast part."""
    rows = read_prompts(shared / "data" / f"{name}.jsonl")
    wanted = [row for row in rows if row.lang in (None, "en") and row.attack is None]
    return [row for row in wanted if row.label == "harmless"] if name == "coconot" else wanted


def sampled(shared: Path, name: str, n: int) -> list[Prompt]:
    """`n` of them under the set's name, the same at every call."""
    wanted = plain(shared, name)
    chosen = random.Random(f"{name} 0").sample(wanted, min(n, len(wanted)))
    return [
        Prompt(row.messages, row.label, row.category, None, name, "en", row.id, row.base_id) for row in chosen
    ]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def shown(found: Estimate | None, digits: int = 2) -> str:
    """A value with its interval; nothing where there is none."""
    if found is None or found.value is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def said(stage: str, done: int, total: int) -> None:
    """A line for every finished stage."""
    if done >= total:
        log.print(f"  {time.strftime('%H:%M:%S')} {stage}: {total}")
