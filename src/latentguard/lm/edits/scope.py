"""The tokens of a running batch that an edit is about, by name."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from latentguard.errors import EditMatchedNothing, LatentGuardError
from latentguard.lm.batch_layout import BatchLayout
from latentguard.lm.chat.rendered import Rendered

Scope = Literal["prompt", "context", "generated", "all"]
"""`prompt`: every token of the templated prompt. `context`: the prompt's tokens before its `context_end` (see
`ChatTemplate.render`). `generated`: the tokens after the prompt. `all`: every token."""


@dataclass(slots=True, eq=False)
class Scoped:
    """Which tokens of one running batch are in a scope. Padding never is."""

    columns: tuple[range, ...]
    """Of each row."""
    width: int
    """Tokens of a row, padding included."""
    device: torch.device
    _mask: Bool[Tensor, "row token"] | None = field(default=None, init=False)

    @property
    def tokens(self) -> int:
        """How many there are."""
        return sum(map(len, self.columns))

    @property
    def whole(self) -> bool:
        """Every token of the batch is in scope, and none is padding."""
        return self.tokens == len(self.columns) * self.width

    @property
    def mask(self) -> Bool[Tensor, "row token"]:
        """True where a token is in scope; made when it is first asked for."""
        if self._mask is None:
            rows = [[column in inside for column in range(self.width)] for inside in self.columns]
            self._mask = torch.tensor(rows, dtype=torch.bool, device=self.device)
        return self._mask


def scoped(scope: Scope, layout: BatchLayout, device: torch.device) -> Scoped:
    """The tokens in scope, on `device`, found once for a batch however many blocks are edited.

    Raises `EditMatchedNothing` where no token stands before a prompt's `context_end`, and `LatentGuardError`
    where a prompt was rendered without one.
    """
    found = layout.scoped.get((scope, device))
    if found is None:
        columns = tuple(
            _columns(span, *_bounds(scope, row.prompt))
            for span, row in zip(layout.spans, layout.rows, strict=True)
        )
        found = layout.scoped[scope, device] = Scoped(columns, layout.width, device)
    return found


def _columns(span: range, first: int, stop: int | None) -> range:
    """The columns of a row whose tokens are `first` to before `stop` of its prompt and reply."""
    begins = max(span.start, first)
    ends = span.stop if stop is None else min(span.stop, stop)
    return range(begins - span.start, max(begins, ends) - span.start)


def _bounds(scope: Scope, prompt: Rendered) -> tuple[int, int | None]:
    match scope:
        case "prompt":
            return 0, len(prompt.ids)
        case "context":
            return 0, _context_end(prompt)
        case "generated":
            return len(prompt.ids), None
        case "all":
            return 0, None


def _context_end(prompt: Rendered) -> int:
    if prompt.context_end is None:
        raise LatentGuardError(
            "An edit has the scope 'context', but a prompt of this run was rendered without one.\n"
            "  Render it with ChatTemplate.render(conversation, context=...) and run what that returns."
        )
    if prompt.context_end == 0:
        raise EditMatchedNothing(
            "An edit has the scope 'context', and a prompt of this run has no token before its context's end."
        )
    return prompt.context_end
