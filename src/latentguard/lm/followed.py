"""Reading prompts in a run that someone else makes, such as transformers' own `generate`.

Whoever makes the run may pad on the left, cut the prefill into chunks, and run several rows a prompt (beams,
`num_return_sequences`). Every token that passes is compared with the proved rendering of its prompt before
anything is read at it, so a state is read at its position or the run is refused.
"""

import inspect
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import LogitsProcessor

from latentguard.errors import RunNotFollowed
from latentguard.lm.batch_layout import current_layout, padded
from latentguard.lm.blocks import Blocks
from latentguard.lm.capture import Reader
from latentguard.lm.chat.rendered import Position, Rendered
from latentguard.lm.states import States, gather_states
from latentguard.lm.taps import slot_taps

_CPU = torch.device("cpu")


@dataclass(slots=True, eq=False)
class _Tokens:
    """What one call of the model is given, on the CPU."""

    ids: Int[Tensor, "row token"]
    real: Bool[Tensor, "row token"]
    """False for padding."""
    position_ids: Int[Tensor, "row token"] | None
    implied: bool
    """The model takes position ids and is given none: it counts columns, padding among them."""

    @classmethod
    def of(cls, call: inspect.Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> "_Tokens":
        """`call`: what the model is called with. Raises `RunNotFollowed` where the call does not say which
        tokens it runs."""
        given = call.bind_partial(*arguments, **keywords).arguments
        given = {**given, **given.get("kwargs", {})}
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        if not isinstance(ids, Tensor):
            raise RunNotFollowed(
                "the model is called with embeddings and not with token ids, so no token of it is known.\n"
                "  Call generate with input_ids."
            )
        if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2):
            raise RunNotFollowed(
                "the attention mask is no plain [row, token] one, as with a static cache, so padding is not "
                "known.\n  Call generate with its default cache."
            )
        real = torch.ones_like(ids) if mask is None else mask[:, -ids.shape[1] :]
        implied = given.get("position_ids") is None and "position_ids" in call.parameters
        return cls(ids.cpu(), real.bool().cpu(), _positions(given.get("position_ids"), len(ids)), implied)


def _positions(position_ids: Any, rows: int) -> Int[Tensor, "row token"] | None:
    """One a token; where there are several kinds (of text, height and width), they must be alike."""
    if not isinstance(position_ids, Tensor):
        return None
    kinds = position_ids if position_ids.ndim == 3 else position_ids[None]
    if not bool((kinds == kinds[:1]).all()):
        raise RunNotFollowed(
            "the position ids are not those of plain text, so no position of it is known.\n"
            "  Only prompts of text are followed."
        )
    return kinds[0].expand(rows, -1).cpu()


@dataclass(slots=True, eq=False)
class Followed:
    """One run over `prompts` that someone else makes, and how far it has come. Made by `following`."""

    prompts: Sequence[Rendered]
    positions: tuple[Position, ...]
    slots: tuple[int, ...]
    rows_a_prompt: int = 0
    """Rows that carry one prompt, next to each other; 0 before the run has begun."""
    _expected: Int[Tensor, "prompt token"] = field(init=False)
    _passed: Int[Tensor, " row"] = field(init=False)
    """Tokens of each row's prompt that have passed."""
    complete: bool = False
    """Every prompt has passed whole, and all that was wanted of it has been read."""
    _states: Float[Tensor, "prompt position slot hidden"] | None = None
    _running: Int[Tensor, " row"] | None = None
    """Prompt tokens that each row will have passed when the running call ends."""
    _columns: int = 0
    """Columns that have been given, padding among them."""
    _read: int = 0
    _cache: Any = None
    """The cache of the call that ended the prefill."""
    _steps: int = 0
    """Calls without a cache since then, each a token longer than the one before."""

    def __post_init__(self) -> None:
        self._expected, _ = padded([one.ids for one in self.prompts], [0] * len(self.prompts), -1, _CPU)
        self._passed = torch.zeros(0, dtype=torch.long)

    @property
    def states(self) -> States:
        """What was read, float32 on the CPU. Raises `RunNotFollowed` before every prompt has passed whole."""
        if self.rows_a_prompt == 0:
            raise RunNotFollowed(
                "nothing has run inside this block, so no prompt was read.\n"
                "  Call the model's generate inside it, in the thread that opened it."
            )
        behind = self._behind()
        if bool(behind.any()):
            row = int(behind.long().argmax())
            number = row // self.rows_a_prompt
            tokens = len(self.prompts[number].ids)
            raise RunNotFollowed(
                f"only {int(self._passed[row])} of the {tokens} tokens of prompt {number} have run.\n"
                "  Give generate the whole prompt, generation prompt included."
            )
        if not self.complete or self._states is None:
            raise RunNotFollowed("the run ended before every state was read.\n  Run it again in a new block.")
        return States(self._states, self.positions, self.slots)

    def inputs(self, pad: int, device: torch.device) -> dict[str, Tensor]:
        """The prompts as arguments of transformers' `generate`, padded on the left."""
        lengths = torch.tensor([len(one.ids) for one in self.prompts])
        width = int(lengths.max())
        ids = torch.full((len(self.prompts), width), pad, dtype=torch.long)
        for row, one in enumerate(self.prompts):
            ids[row, width - len(one.ids) :] = torch.tensor(one.ids)
        real = torch.arange(width) >= (width - lengths)[:, None]
        return {"input_ids": ids.to(device), "attention_mask": real.long().to(device)}

    def picks(self, given: _Tokens) -> list[tuple[int, int, int]]:
        """What to read of the tokens about to run: (row, token, target). Raises `RunNotFollowed`."""
        rows = len(given.ids)
        if self.rows_a_prompt == 0:
            self.rows_a_prompt = self._rows_a_prompt(rows)
            self._passed = torch.zeros(rows, dtype=torch.long)
        elif rows != len(self._passed):
            raise RunNotFollowed(
                f"{rows} rows run where {len(self._passed)} began, before all prompts had passed.\n"
                "  Open one block for every call of generate."
            )
        number = self._passed[:, None] + given.real.long().cumsum(dim=1) - 1
        if given.implied:
            self._require_columns_to_be(number, given.real)
        self._compare(given, number)
        self._columns += given.ids.shape[1]
        self._running = self._passed + given.real.long().sum(dim=1)
        found: list[tuple[int, int, int]] = []
        for prompt, rendered in enumerate(self.prompts):
            row = prompt * self.rows_a_prompt
            for place, position in enumerate(self.positions):
                met = (given.real[row] & (number[row] == rendered.index(position))).nonzero().flatten()
                found += [(row, int(column), prompt * len(self.positions) + place) for column in met]
        return found

    def keep(self, slot: int, targets: Tensor, states: Tensor) -> None:
        """Take what was read (a `Sink`)."""
        if self._states is None:
            self._states, _ = gather_states(
                len(self.prompts), len(self.positions), len(self.slots), states.shape[-1]
            )
        self._states.flatten(0, 1)[targets, slot] = states
        self._read += len(targets)

    def ended(self, cache: Any) -> None:
        """The running call has ended, and what it read is kept."""
        if self._running is not None:
            self._passed, self._running = self._running, None
        wanted = len(self.prompts) * len(self.positions) * len(self.slots)
        self.complete = self._read == wanted and not bool(self._behind().any())
        self._cache = cache

    def require_continued(self, cache: Any, width: int, given: Callable[[], _Tokens]) -> None:
        """After the prefill: raise `RunNotFollowed` where a call is none of this run, and would go unread.

        A step goes on from the very cache that the prefill left, by one token; without a cache it runs
        everything before again.
        """
        if cache is not None and cache is self._cache and width == 1:
            return
        if cache is None and self._cache is None:
            tokens = given()
            again = Followed(self.prompts, self.positions, self.slots)
            with suppress(RunNotFollowed):
                again.picks(tokens)
                longer = self._passed + self._steps + 1
                if again.rows_a_prompt == self.rows_a_prompt and tokens.real.sum(dim=1).equal(longer):
                    self._steps += 1
                    return
        raise RunNotFollowed(
            "another run begins in a block whose prompts have been read, and it would go unread.\n"
            "  Open one block for every call of generate; assisted decoding is not followed."
        )

    def _rows_a_prompt(self, rows: int) -> int:
        if rows % len(self.prompts):
            raise RunNotFollowed(
                f"{rows} rows run and {len(self.prompts)} prompts are watched, so no row's prompt is known.\n"
                "  Give generate the prompts that are watched, all at once."
            )
        return rows // len(self.prompts)

    def _require_columns_to_be(
        self, number: Int[Tensor, "row token"], real: Bool[Tensor, "row token"]
    ) -> None:
        columns = self._columns + torch.arange(number.shape[1])
        if bool((real & (columns != number)).any()):
            raise RunNotFollowed(
                "rows are padded on the left and the call gives no position ids, so the model counts the "
                "padding.\n  Give it position_ids, as generate does by itself."
            )

    def _compare(self, given: _Tokens, number: Int[Tensor, "row token"]) -> None:
        """Every prompt token must be the proved one, at its place."""
        expected = self._expected.repeat_interleave(self.rows_a_prompt, dim=0)
        within = given.real & (number < self._expected_tokens(self.rows_a_prompt)[:, None])
        wanted = expected.gather(1, number.clamp(0, expected.shape[1] - 1))
        for what, found, right in (
            ("token", given.ids, wanted),
            ("position id of token", given.position_ids, number),
        ):
            differs = within & (found != right) if found is not None else torch.zeros(1, dtype=torch.bool)
            if found is not None and bool(differs.any()):
                row, column = differs.nonzero()[0].tolist()
                raise RunNotFollowed(
                    f"the {what} {int(number[row, column])} of prompt {row // self.rows_a_prompt} is "
                    f"{int(found[row, column])} in this run and {int(right[row, column])} in its proved "
                    "rendering, so no position of it is known.\n"
                    "  Give generate exactly the prompts that are watched, in their order."
                )

    def _expected_tokens(self, rows_a_prompt: int) -> Int[Tensor, " row"]:
        lengths = torch.tensor([len(one.ids) for one in self.prompts], dtype=torch.long)
        return lengths.repeat_interleave(rows_a_prompt)

    def _behind(self) -> Bool[Tensor, " row"]:
        return self._passed < self._expected_tokens(self.rows_a_prompt)


@contextmanager
def following(module: nn.Module, blocks: Blocks, followed: Followed) -> Generator[None]:
    """Inside the block, this thread's calls of `module` by others are read until every prompt has passed.

    Then the blocks are no longer hooked, and a later step costs one comparison. Raises `RunNotFollowed` out
    of the call that does not run these prompts, and `NonFiniteState`.
    """
    reader = Reader(slot_taps(blocks, followed.slots), exits=False, announced=False)
    owner = threading.get_ident()
    call = inspect.signature(module.forward)

    def is_foreign() -> bool:
        return threading.get_ident() == owner and current_layout() is None

    def before(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if not is_foreign():
            return
        cache = keywords.get("past_key_values")
        if followed.complete:
            ids = arguments[0] if arguments else keywords.get("input_ids")
            width = ids.shape[1] if isinstance(ids, Tensor) else 0
            followed.require_continued(cache, width, partial(_Tokens.of, call, arguments, keywords))
        else:
            tokens = _Tokens.of(call, arguments, keywords)
            reader.picks, reader.tokens, reader.read = followed.picks(tokens), tokens.ids.shape[1], []

    def after(_: nn.Module, __: Any, keywords: dict[str, Any], ___: Any) -> None:
        if is_foreign():
            reader.picks = []
            reader.deliver(followed.keep, len(followed.positions))
            followed.ended(keywords.get("past_key_values"))
            if followed.complete:
                reading.close()

    with ExitStack() as watching, ExitStack() as reading:
        watching.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        reading.callback(module.register_forward_hook(after, with_kwargs=True).remove)
        reading.enter_context(reader.hooked())
        yield


class EndsRows(LogitsProcessor):
    """Ends the rows of some prompts: `ends` says which, asked when the first reply token is chosen."""

    def __init__(self, ends: Callable[[], Sequence[bool]], token: int) -> None:
        self._ends, self._token = ends, token

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """`scores` with nothing but the end token left in the rows that end."""
        ends = torch.tensor(self._ends(), dtype=torch.bool, device=scores.device)
        rows = ends.repeat_interleave(scores.shape[0] // len(ends))
        only = torch.full_like(scores, -torch.inf)
        only[:, self._token] = 0
        return torch.where(rows[:, None], only, scores)
