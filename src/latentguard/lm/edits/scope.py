"""The tokens of a running batch that an edit is about, by name."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from latentguard.errors import EditMatchedNothing, LatentGuardError
from latentguard.lm.batch_layout import BatchLayout

Scope = Literal["prompt", "context", "generated", "all"]
"""`prompt`: every token of the templated prompt. `context`: the prompt's tokens before its `context_end` (see
`ChatTemplate.render`). `generated`: the tokens after the prompt. `all`: every token."""


@dataclass(frozen=True, slots=True, eq=False)
class Scoped:
    """Which tokens of one running batch are in a scope. Padding never is."""

    mask: Bool[Tensor, "row token"]
    tokens: int
    whole: bool
    """Every token of the batch is in scope, and none is padding."""


def scoped(scope: Scope, layout: BatchLayout, device: torch.device) -> Scoped:
    """The tokens in scope, on `device`, found once for a batch however many blocks are edited.

    Raises `EditMatchedNothing` where no token stands before a prompt's `context_end`, and `LatentGuardError`
    where a prompt was rendered without one.
    """
    found = layout.scoped.get((scope, device))
    if found is None:
        mask = _mask(scope, layout).to(device)
        tokens = int(mask.sum())
        found = layout.scoped[scope, device] = Scoped(mask, tokens, tokens == mask.numel())
    return found


def _mask(scope: Scope, layout: BatchLayout) -> Bool[Tensor, "row token"]:
    real = layout.index >= 0
    prompt = real & (layout.index < layout.prompt_tokens[:, None])
    match scope:
        case "prompt":
            return prompt
        case "context":
            _require_contexts(layout)
            return prompt & (layout.index < layout.context_end[:, None])
        case "generated":
            return real & ~prompt
        case "all":
            return real


def _require_contexts(layout: BatchLayout) -> None:
    if bool((layout.context_end < 0).any()):
        raise LatentGuardError(
            "An edit has the scope 'context', but a prompt of this run was rendered without one.\n"
            "  Render it with ChatTemplate.render(conversation, context=...) and run what that returns."
        )
    if bool((layout.context_end == 0).any()):
        raise EditMatchedNothing(
            "An edit has the scope 'context', and a prompt of this run has no token before its context's end."
        )
