"""What an edit does to ordinary text: how far it moves the next token, and how much it perplexes.

    KL         = mean over tokens of  sum_v p(v) (log p(v) - log q(v)),   p unedited, q edited, in nats
    perplexity = exp(mean over tokens of -log q(token that stands there))

over the words of the last user turn of harmless prompts, each predicted from the tokens before it. The edit
is on all tokens of the prompt, whatever its scope in an experiment: it is the direction's price.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.causal.sweep import Attempt
from latentguard.lm import LanguageModel, Rendered

MOST_TOKENS = 16
"""Of one text: the last ones. More say little and cost a row of the vocabulary each."""


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """Of several edits on the same texts."""

    attempts: tuple[Attempt, ...]
    kl: Float[Tensor, " attempt"]
    """Nats a token, mean over texts of their mean."""
    perplexity: Float[Tensor, " attempt"]
    unedited: float
    """The perplexity of the same tokens without an edit."""
    texts: int


def cost(
    model: LanguageModel,
    texts: Sequence[Rendered],
    attempts: Sequence[Attempt],
    *,
    at_once: int = 8,
    progress: Progress = silent,
) -> Cost:
    """The price of every attempt on `texts`. Raises `ValueError` without a text of two tokens."""
    usable = [text for text in texts if text.content[1] - text.content[0] > 1]
    if not usable or not attempts:
        raise ValueError("the price of an edit needs an edit, and a text of at least two tokens")
    edits = [[], *([replace(one.arm, scope="prompt").edit(one.block, one.scale)] for one in attempts)]
    divergences: list[Tensor] = []
    surprises: list[Tensor] = []
    for number, text in enumerate(usable):
        progress("measuring the price on ordinary text", number, len(usable))
        first, stop = text.content
        tokens = range(max(first + 1, stop - MOST_TOKENS), stop)
        logits = model.edited_logits_at(
            text, edits, positions=[token - 1 for token in tokens], at_once=at_once
        )
        logarithms = logits.log_softmax(dim=-1)
        plain, changed = logarithms[0], logarithms[1:]
        divergences.append((plain.exp() * (plain - changed)).sum(dim=-1).mean(dim=-1))
        there = torch.tensor([text.ids[token] for token in tokens])
        surprises.append(-logarithms[:, torch.arange(len(there)), there].mean(dim=-1))
    progress("measuring the price on ordinary text", len(usable), len(usable))
    perplexity = torch.stack(surprises).mean(dim=0).exp()
    return Cost(
        attempts=tuple(attempts),
        kl=torch.stack(divergences).mean(dim=0).clamp_min(0.0),
        perplexity=perplexity[1:],
        unedited=float(perplexity[0]),
        texts=len(usable),
    )
