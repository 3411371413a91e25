"""The proof at load: every part of a decoder is shown, by number, to be what it is taken for.

Run once on short prompts of arbitrary tokens. What fails is refused: the whole model where its slots
cannot be proved, otherwise the one capability, by name, with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.errors import ModelNotSupported
from latentguard.lm.blocks import Blocks, entering, stream_of
from latentguard.lm.capture import Budget, capture, gather_states
from latentguard.lm.chat import Rendered
from latentguard.lm.edit import AddDirection, edited
from latentguard.lm.heads import HeadSite, prove_heads
from latentguard.lm.runs import beginning, run

_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8, torch.bfloat16: 6e-2, torch.float16: 1e-2}
"""Largest relative difference of two states that rounding may explain, by dtype. Measured: 1e-7 to
4e-7 on five tiny float32 models, 1.2e-2 on Qwen2.5-Coder-0.5B in bfloat16."""


@dataclass(frozen=True, slots=True)
class Check:
    """One property: what it says, the largest error measured, and the largest allowed."""

    name: str
    says: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Every check, and what this model therefore supports."""

    checks: tuple[Check, ...]
    heads: tuple[HeadSite | None, ...] | None
    refusals: dict[str, str]
    """Capability -> why it is refused."""

    @property
    def shares_prefixes(self) -> bool:
        return "prefix sharing" not in self.refusals

    def supports(self) -> dict[str, bool]:
        """Capabilities by name."""
        return {name: name not in self.refusals for name in ("slots", "edits", "heads", "prefix sharing")}


def prove(module: Any, blocks: Blocks, dtype: torch.dtype, device: torch.device) -> Proof:
    """Prove slots and readout (or raise `ModelNotSupported`), then prefix sharing, edits and heads."""
    tolerance = _TOLERANCE.get(dtype, 6e-2)
    prompts = _sample(module.config.get_text_config(decoder=True).vocab_size)
    long, short = prompts[0], prompts[2]
    states, logits, stream = _whole_run(module, blocks, long, device)
    checks = [
        Check(
            "chain",
            "every block is handed what the block before it returned",
            _chain(blocks, long, device),
            0.0,
        ),
        Check(
            "slots", "slots 0..L-1 equal the model's own hidden states", _gap(stream[:-1], states[:-1]), 0.0
        ),
        Check(
            "readout",
            "head(norm(slot L)), through the model's logit map, equals its logits",
            _gap(blocks.logits(stream[-1]), logits),
            tolerance,
        ),
    ]
    alone = [_captured(blocks, [prompt], device, share=False)[0] for prompt in prompts]
    cut = _captured(blocks, [_cut(long)], device, share=False)[0]
    together = _captured(blocks, prompts, device, share=False)
    checks += [
        Check("causal", "a state does not depend on later tokens", _gap(cut[0], _at(stream, 5)), tolerance),
        Check(
            "capture", "what is captured is the running stream", _gap(alone[0][-1], stream[:, -1]), tolerance
        ),
        Check("batch", "a state does not depend on its batch or padding", _worst(together, alone), tolerance),
    ]
    failed = [check for check in checks if not check.passed]
    if failed:
        raise ModelNotSupported(
            f"{type(module).__name__} could not be proved:\n"
            + "\n".join(f"  {c.name}: {c.says}; error {c.error:.2e} > {c.tolerance:.0e}" for c in failed)
            + "\n  Nothing of it is read."
        )
    refusals: dict[str, str] = {}
    shared = _try_shared(blocks, prompts, alone, device, tolerance, refusals)
    edits = _try_edits(blocks, prompts, device, tolerance, refusals)
    sites, heads = _try_heads(module, blocks, short, device, refusals)
    return Proof((*checks, *shared, *edits, *heads), sites, refusals)


def _sample(vocabulary: int) -> list[Rendered]:
    """Three prompts of arbitrary tokens: two share a beginning of six, the third is short."""
    draw = torch.Generator().manual_seed(7)
    tokens = torch.randint(0, min(vocabulary, 30_000), (24,), generator=draw).tolist()
    sequences = [tokens[:11], tokens[:6] + tokens[11:19], tokens[:2] + tokens[19:22]]
    return [
        Rendered(
            "",
            tuple(ids),
            (0, len(ids)),
            5 if len(ids) > 6 else 2,
            len(ids) - 1,
            2,
            "clean",
            "verbatim",
            False,
            None,
        )
        for ids in sequences
    ]


def _cut(prompt: Rendered) -> Rendered:
    ids = prompt.ids[: prompt.t_inst + 1]
    return Rendered("", ids, (0, len(ids)), len(ids) - 1, len(ids) - 1, 2, "clean", "verbatim", False, None)


def _at(stream: Float[Tensor, "slot token hidden"], token: int) -> Float[Tensor, "slot hidden"]:
    return stream[:, token].float().cpu()


@torch.no_grad()
def _whole_run(
    module: nn.Module, blocks: Blocks, prompt: Rendered, device: torch.device
) -> tuple[
    Float[Tensor, "slot token hidden"], Float[Tensor, "token vocab"], Float[Tensor, "slot token hidden"]
]:
    """The model's own hidden states and logits of a plain call, and the stream read by hooks in that call."""
    read: list[Tensor] = []
    handles = [
        layer.register_forward_pre_hook(lambda _m, a, k: read.append(entering(a, k)), with_kwargs=True)
        for layer in blocks.layers
    ]
    handles.append(blocks.layers[-1].register_forward_hook(lambda _m, _a, out: read.append(stream_of(out))))
    try:
        output = module(
            input_ids=torch.tensor([prompt.ids], device=device), output_hidden_states=True, use_cache=False
        )
    finally:
        for handle in handles:
            handle.remove()
    if not len(read) == len(blocks) + 1 == len(output.hidden_states):
        raise ModelNotSupported(
            f"{type(module).__name__} has {len(blocks)} blocks, ran {len(read) - 1} and reports "
            f"{len(output.hidden_states) - 1}, so a slot is not one place in it.\n  Nothing of it is read."
        )
    return (
        torch.stack([s[0] for s in output.hidden_states]),
        output.logits[0],
        torch.stack([s[0] for s in read]),
    )


@torch.no_grad()
def _chain(blocks: Blocks, prompt: Rendered, device: torch.device) -> float:
    """Number of blocks that were not handed the previous block's output itself."""
    handed_on: list[Tensor] = []
    broken = 0

    def before(_: nn.Module, arguments: tuple[object, ...], keywords: dict[str, object]) -> None:
        nonlocal broken
        stream = entering(arguments, keywords)
        if handed_on and not (stream is handed_on[-1] or torch.equal(stream, handed_on[-1])):
            broken += 1

    handles = [layer.register_forward_pre_hook(before, with_kwargs=True) for layer in blocks.layers]
    handles += [
        layer.register_forward_hook(lambda _m, _a, out: handed_on.append(stream_of(out)))
        for layer in blocks.layers
    ]
    try:
        _run_plain(blocks, prompt, device)
    finally:
        for handle in handles:
            handle.remove()
    return float(broken)


def _run_plain(blocks: Blocks, prompt: Rendered, device: torch.device) -> None:
    run(
        blocks,
        beginning(blocks, 1, device, cached=False),
        [prompt.ids],
        [0],
        prompt_tokens=[len(prompt.ids)],
        context_end=[-1],
    )


def _captured(
    blocks: Blocks, prompts: Sequence[Rendered], device: torch.device, *, share: bool
) -> Float[Tensor, "prompt position slot hidden"]:
    """Every slot at t_inst and at the last token, through the same code that users run."""
    hidden = blocks.config.hidden_size
    slots = range(len(blocks) + 1)
    out, sink = gather_states(len(prompts), 2, len(slots), hidden)
    wanted = [(prompt.t_inst, prompt.t_post_inst) for prompt in prompts]
    capture(blocks, prompts, wanted, slots, sink, device=device, share=share, budget=Budget(4096, 4096))
    return out


def _try_shared(
    blocks: Blocks,
    prompts: Sequence[Rendered],
    alone: Sequence[Tensor],
    device: torch.device,
    tolerance: float,
    refusals: dict[str, str],
) -> list[Check]:
    """Whether a shared beginning may run once; where it may not, every prompt runs whole."""
    says = "a state is the same where a shared beginning ran once"
    try:
        shared = [
            _captured(blocks, prompts, device, share=True),
            _captured(blocks, [*prompts[:2], *prompts[:2]], device, share=True)[:2],
        ]
        error = max(_worst(shared[0], alone), _worst(shared[1], alone[:2]))
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as reason:
        refusals["prefix sharing"] = f"the model's cache cannot be forked ({type(reason).__name__})"
        return []
    check = Check("prefix sharing", says, error, tolerance)
    if not check.passed:
        refusals["prefix sharing"] = f"{says}: error {error:.2e} > {tolerance:.0e}"
    return [check]


def _try_edits(
    blocks: Blocks,
    prompts: Sequence[Rendered],
    device: torch.device,
    tolerance: float,
    refusals: dict[str, str],
) -> list[Check]:
    """Whether a vector that is added to the first tokens of padded prompts is read there, at the slot it was
    added, and nowhere else, and whether the model runs on with it."""
    scoped = [replace(one, context_end=one.t_inst, t_inst=one.t_inst - 1) for one in prompts]
    outside = [replace(one, context_end=one.t_inst) for one in prompts]
    plain, plain_outside = (_captured(blocks, some, device, share=False) for some in (scoped, outside))
    touched = elsewhere = 0.0
    for slot in sorted({0, len(blocks) // 2, len(blocks)}):
        vector = torch.randn(blocks.config.hidden_size, generator=torch.Generator().manual_seed(slot))
        vector *= plain[:, 0, slot].norm(dim=-1).mean() / vector.norm()
        with edited(blocks, [AddDirection(slot, vector, 1.0, "context")], blocks.config.hidden_size):
            inside, other = (_captured(blocks, some, device, share=False) for some in (scoped, outside))
        touched = max(touched, _gap(inside[:, 0, slot], plain[:, 0, slot] + vector))
        elsewhere = max(elsewhere, _gap(other[:, :, : slot + 1], plain_outside[:, :, : slot + 1]))
        if slot < len(blocks) and torch.equal(inside[:, 0, slot + 1], plain[:, 0, slot + 1]):
            touched = float("inf")
    checks = [
        Check(
            "edit in scope",
            "a vector added at a slot is read there, and the model runs on with it",
            touched,
            tolerance,
        ),
        Check("edit out of scope", "and no other token of any row is changed at that slot", elsewhere, 0.0),
    ]
    failed = [f"{one.says}: error {one.error:.2e}" for one in checks if not one.passed]
    if failed:
        refusals["edits"] = "; ".join(failed)
    return checks


def _try_heads(
    module: nn.Module, blocks: Blocks, prompt: Rendered, device: torch.device, refusals: dict[str, str]
) -> tuple[tuple[HeadSite | None, ...] | None, list[Check]]:
    """Heads, proved in the first, middle and last block."""
    ends = tuple(sorted({0, len(blocks) // 2, len(blocks) - 1}))
    found = prove_heads(module, blocks.layers, partial(_run_plain, blocks, prompt, device), ends)
    if found is None:
        refusals["heads"] = "no attention output projection was handed the attention function's result"
        return None, []
    checks = [
        Check("head zeroed", "zeroing head h in the attention zeroes slice h", found.own_slice, 0.0),
        Check("head alone", "and changes no other slice", found.other_slices, 0.0),
    ]
    if not all(check.passed for check in checks):
        refusals["heads"] = "; ".join(f"{c.says}: error {c.error:.2e}" for c in checks if not c.passed)
        return None, checks
    return found.sites, checks


def _gap(one: Tensor, other: Tensor) -> float:
    """Largest distance between two rows, relative to the larger row's length."""
    one, other = one.detach().float().cpu().flatten(0, -2), other.detach().float().cpu().flatten(0, -2)
    size = torch.maximum(one.norm(dim=-1), other.norm(dim=-1)).clamp(min=1e-12)
    return float(((one - other).norm(dim=-1) / size).max())


def _worst(captured: Tensor, alone: Sequence[Tensor]) -> float:
    return max(_gap(captured[row], states) for row, states in enumerate(alone))
