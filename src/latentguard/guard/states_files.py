"""Hidden states that another engine wrote: read at the guard's positions, or refused.

    token_ids      [token]               what the engine was given
    hidden_states  [token, slot, hidden] the residual stream entering block `slot`; slot L leaves the last

The engine says which tokens it read; the guard renders the prompt itself. Only where the one begins with the
other is it known which row is t_inst, and which t_post_inst. Whether slot i is what enters block i, no file
can prove: an engine that numbers what leaves a block is off by one. Where slot 0 is there, the model's own
embedding tells; without it the numbering is the engine's word.

This is how vLLM writes them (`extract_hidden_states` with its ExampleHiddenStatesConnector, whose
`eagle_aux_hidden_state_layer_ids` are slots in this numbering, L before the final norm). The last entry of
transformers' `output_hidden_states` is past that norm, and no slot.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from latentguard._text import inert
from latentguard.data import Prompt
from latentguard.errors import ArtefactMismatch, BadData, NonFiniteState, PositionNotProved
from latentguard.lm import LanguageModel, Rendered, States

Given: TypeAlias = str | Path | Mapping[str, Tensor]
"""A safetensors file, or the tensors that one would hold."""

TOKENS, STATES = "token_ids", "hidden_states"
NEAR = 0.03
"""Largest distance of a state of slot 0 to the model's own, relative to its length. Measured on
Qwen2.5-Coder-0.5B: 0.0015 after rounding to bfloat16; slot 1 is 6.7 and more away, another token 1.4."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prompt:
    """One prompt's tensors, of which only what is read is taken."""

    name: str
    ids: tuple[int, ...]
    shape: tuple[int, ...]
    slots: tuple[int, ...]
    before_final_norm: bool
    at: Callable[[int], Tensor]
    """The states [slot, hidden] of one token."""


def read_states(
    model: LanguageModel,
    files: Sequence[Given],
    prompts: Sequence[Prompt],
    reads: tuple[tuple[str, ...], tuple[int, ...]],
    *,
    slots: Sequence[int] | None,
    before_final_norm: bool,
) -> States:
    """The states that `reads` names (positions, slots), float32; see `Guard.score_states`."""
    if isinstance(files, str | Path | Mapping) or len(files) != len(prompts):
        number = 1 if isinstance(files, str | Path | Mapping) else len(files)
        raise ValueError(f"{number} files of states for {len(prompts)} prompts; give a list, one a prompt")
    positions, wanted = reads
    last = model.identity().blocks
    out = torch.empty((len(prompts), len(positions), len(wanted), model.hidden_size))
    for row, (given, prompt) in enumerate(zip(files, prompts, strict=True)):
        with _opened(given, f"prompt {row + 1}", slots, before_final_norm) as one:
            rendered = model.render(prompt.messages)
            _check(one, model, wanted, last)
            _check_tokens(one, rendered)
            taken = {at: _taken(one, rendered, at) for at in positions}
            _check_embedding(one, model, rendered, taken)
            index = [one.slots.index(slot) for slot in wanted]
            out[row] = torch.stack([taken[at][index] for at in positions])
    return States(out, positions, wanted)


def _opened(
    given: Given, name: str, slots: Sequence[int] | None, before_final_norm: bool
) -> AbstractContextManager[_Prompt]:
    if isinstance(given, Mapping):
        return nullcontext(_of_tensors(name, given, slots, before_final_norm))
    return _File(Path(given), slots, before_final_norm)


def _of_tensors(
    name: str, tensors: Mapping[str, Tensor], slots: Sequence[int] | None, before_final_norm: bool
) -> _Prompt:
    _check_names(name, tensors)
    if slots is None:
        raise ValueError(f"{name}: tensors do not say which slots they are; give slots=")
    states = tensors[STATES]
    _check_kinds(name, tensors[TOKENS], states.is_floating_point(), tuple(states.shape))
    return _Prompt(
        name,
        tuple(tensors[TOKENS].tolist()),
        tuple(states.shape),
        tuple(slots),
        before_final_norm,
        lambda token: states[token].cpu(),
    )


class _File:
    """A file of one prompt, open inside the `with` block: rows are read one by one."""

    def __init__(self, path: Path, slots: Sequence[int] | None, before_final_norm: bool) -> None:
        self._path, self._slots, self._before = path, slots, before_final_norm
        self._file: Any = None

    def __enter__(self) -> _Prompt:
        name = inert(str(self._path))
        try:
            self._file = safe_open(str(self._path), framework="pt")  # type: ignore[no-untyped-call]
            self._file.__enter__()
        except (OSError, SafetensorError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise BadData(f"{name} cannot be read as safetensors ({inert(said[0], limit=200)}).") from None
        try:
            return self._prompt(name)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)

    def _prompt(self, name: str) -> _Prompt:
        told: dict[str, str] = self._file.metadata() or {}
        _check_names(name, self._file.keys())
        states = self._file.get_slice(STATES)
        shape = tuple(states.get_shape())
        tokens: Tensor = self._file.get_tensor(TOKENS)
        _check_kinds(name, tokens, states.get_dtype().startswith(("F", "BF")), shape)
        return _Prompt(
            name,
            tuple(tokens.tolist()),
            shape,
            _told_slots(name, told, self._slots),
            self._before or told.get("before_final_norm") == "true",
            lambda token: states[token : token + 1][0],
        )


def _told_slots(name: str, told: Mapping[str, str], given: Sequence[int] | None) -> tuple[int, ...]:
    """What the file says, which must be what the caller says where both do."""
    if "slots" not in told:
        if given is None:
            raise BadData(
                f"{name} does not say which slots it holds.\n"
                '  Give slots=, or write them into its metadata: "slots": "[8, 12]".'
            )
        return tuple(given)
    try:
        found = json.loads(told["slots"])
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise BadData(
            f"{name}: its metadata says slots {inert(told['slots'], limit=80)!r}, no list of numbers."
        )
    if given is not None and list(given) != found:
        raise BadData(f"{name} holds slots {found} by its metadata, and {list(given)} by slots=.")
    return tuple(found)


def _check_names(name: str, there: Iterable[str]) -> None:
    missing = [one for one in (TOKENS, STATES) if one not in there]
    if missing:
        raise BadData(
            f"{name} lacks {' and '.join(missing)}.\n"
            f"  A prompt's states are {STATES} [token, slot, hidden] beside {TOKENS} [token]."
        )


def _check_kinds(name: str, tokens: Tensor, floating: bool, shape: tuple[int, ...]) -> None:
    if tokens.dim() != 1 or tokens.is_floating_point() or len(shape) != 3 or not floating:
        raise BadData(
            f"{name}: {TOKENS} has shape {tuple(tokens.shape)} and {STATES} {shape}, where [token] of whole "
            "numbers and [token, slot, hidden] of floating ones are read."
        )
    if len(tokens) != shape[0]:
        raise BadData(f"{name} has {len(tokens)} tokens and states of {shape[0]}.")


def _check(one: _Prompt, model: LanguageModel, wanted: Sequence[int], last: int) -> None:
    """That the slots are there, are slots, and are as wide as the model; `last` is its L."""
    if len(one.slots) != one.shape[1] or len(set(one.slots)) < len(one.slots):
        raise BadData(
            f"{one.name} holds {one.shape[1]} slots, and {list(one.slots)} are named: one each, once."
        )
    if one.shape[2] != model.hidden_size:
        raise BadData(
            f"{one.name} holds states of width {one.shape[2]}; those of {model.name} are {model.hidden_size} "
            "wide: they are another model's."
        )
    missing = [slot for slot in wanted if slot not in one.slots]
    if missing:
        raise BadData(
            f"{one.name} lacks slots {missing}, which this guard reads; it holds {list(one.slots)}.\n"
            "  Slot i is what enters block i. Let the engine write them, or fit a guard on fewer slots."
        )
    if last in wanted and not one.before_final_norm:
        raise BadData(
            f"{one.name}: slot {last} leaves the last block, and most engines write it past the final norm, "
            "where it is no slot.\n"
            "  Where it was taken before the norm, before_final_norm=True says so; else fit on earlier slots."
        )


def _check_tokens(one: _Prompt, rendered: Rendered) -> None:
    """That the engine was given this rendering. What follows it, a reply say, changes no state of it."""
    own = rendered.ids
    if one.ids[: len(own)] == own:
        return
    pairs = enumerate(zip(one.ids, own, strict=False))
    common = min(len(one.ids), len(own))
    first = next((number for number, (theirs, ours) in pairs if theirs != ours), common)
    shown = slice(first, first + 8)
    raise PositionNotProved(
        f"{one.name}: the engine was given other tokens than this guard's rendering of the prompt.\n"
        f"  rendered: {len(own)} tokens, from number {first} on {list(own[shown])}\n"
        f"  given   : {len(one.ids)} tokens, from number {first} on {list(one.ids[shown])}\n"
        "  Send it the ids of guard.model.render(prompt), or the same messages under the same template."
    )


def _taken(one: _Prompt, rendered: Rendered, position: str) -> Float[Tensor, "slot hidden"]:
    index = rendered.index(position)
    states = one.at(index).float()
    finite = states.isfinite().all(dim=-1)
    if not bool(finite.all()):
        slot = one.slots[int((~finite).nonzero()[0])]
        raise NonFiniteState(f"{one.name}: the state of token {index} at slot {slot} is NaN or infinite.")
    return states


def _check_embedding(
    one: _Prompt, model: LanguageModel, rendered: Rendered, taken: Mapping[str, Tensor]
) -> None:
    """That slot 0, where it is there, is what enters this model's first block: neither numbered from what
    leaves a block, nor another model's."""
    if 0 not in one.slots:
        return
    own = model.capture([rendered], positions=tuple(taken), slots=[0]).tensor[0, :, 0]
    found = torch.stack([states[one.slots.index(0)] for states in taken.values()])
    off = float(((found - own).norm(dim=-1) / own.norm(dim=-1).clamp(min=1e-12)).max())
    if off > NEAR:
        raise ArtefactMismatch(
            f"{one.name}: its slot 0 is not what enters the first block of {model.name} ({off:.2g} of its "
            "length away).\n"
            "  Either the engine numbers slots otherwise (slot i enters block i; what leaves block i is slot "
            "i + 1), or it runs another model."
        )
