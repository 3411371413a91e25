"""The proof at load: every part of a decoder is shown, by number, to be what it is taken for.

Run once on short prompts of arbitrary tokens. What fails is refused: the whole model where its slots
cannot be proved, otherwise the one capability, by name, with its reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.errors import ModelNotSupported
from latentguard.lm.batch_layout import Row
from latentguard.lm.blocks import Blocks, entering, stream_of
from latentguard.lm.chat import Rendered
from latentguard.lm.heads import HeadSite, prove_heads
from latentguard.lm.proof.attribution import prove_attribution
from latentguard.lm.proof.checks import TOLERANCE, Check, captured, gap, worst
from latentguard.lm.proof.edits import prove_edits
from latentguard.lm.proof.record import CheckRecord, HeadsRecord, PositionsRecord, ProofRecord
from latentguard.lm.proof.resume import prove_resume
from latentguard.lm.runs import beginning, run

CAPABILITIES = ("slots", "edits", "heads", "attribution", "prefix sharing", "resume")


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Every check, and what this model therefore supports."""

    checks: tuple[Check, ...]
    heads: tuple[HeadSite | None, ...] | None
    refusals: dict[str, str]
    """Capability -> why it is refused."""
    factors: tuple[float | None, ...] = ()
    """By block, the factor with which what attention writes is added to the stream; empty where refused."""

    @property
    def shares_prefixes(self) -> bool:
        """Whether a state was shown to be the same where a beginning that prompts share ran once."""
        return "prefix sharing" not in self.refusals

    def head_sites(self, name: str) -> tuple[HeadSite | None, ...]:
        """The sites of the model called `name`. Raises `ModelNotSupported` where they could not be proved."""
        if self.heads is None:
            raise ModelNotSupported(
                f"the heads of {name} cannot be read: {self.refusals['heads']}.\n  Its hidden states can."
            )
        return self.heads

    def attribution_factors(self, name: str) -> tuple[float | None, ...]:
        """By block. Raises `ModelNotSupported` where attribution to heads could not be proved."""
        if why := self.refusals.get("attribution"):
            raise ModelNotSupported(
                f"what each head of {name} adds to the residual stream cannot be said: {why}.\n"
                "  Its heads can be read and edited, if `latentguard check` says so."
            )
        return self.factors

    def of_copy(self) -> "Proof":
        """What holds for an untrained copy, whose parts are other modules: its heads are not looked for."""
        why = "they are not looked for in an untrained copy"
        return replace(
            self, heads=None, factors=(), refusals={"heads": why, "attribution": why} | self.refusals
        )

    def record(self, positions: PositionsRecord | None = None) -> ProofRecord:
        """The proof as plain fields, with those of a sample prompt beside it."""
        return ProofRecord(
            positions=positions,
            checks=tuple(
                CheckRecord(
                    name=one.name,
                    says=one.says,
                    error=one.error if math.isfinite(one.error) else None,
                    tolerance=one.tolerance,
                    passed=one.passed,
                )
                for one in self.checks
            ),
            supports=self.supports(),
            refused=dict(self.refusals),
            heads=tuple(
                HeadsRecord(
                    block=block,
                    heads=site.heads,
                    width=site.width,
                    factor=self.factors[block] if self.factors else None,
                )
                for block, site in enumerate(self.heads or ())
                if site is not None
            ),
        )

    def supports(self) -> dict[str, bool]:
        """Capabilities by name."""
        return {name: name not in self.refusals for name in CAPABILITIES}


def prove(module: Any, blocks: Blocks, dtype: torch.dtype, device: torch.device) -> Proof:
    """Prove slots and readout (or raise `ModelNotSupported`), then prefix sharing, edits, heads, attribution
    and resuming."""
    tolerance = TOLERANCE.get(dtype, 6e-2)
    prompts = _sample(module.config.get_text_config(decoder=True).vocab_size)
    long, short = prompts[0], prompts[2]
    states, logits, stream, readout = _whole_run(module, blocks, long, device)
    checks = [
        Check(
            "chain",
            "every block is handed what the block before it returned",
            _chain(blocks, long, device),
            0.0,
        ),
        Check(
            "slots", "slots 0..L-1 equal the model's own hidden states", gap(stream[:-1], states[:-1]), 0.0
        ),
        Check(
            "readout",
            "head(norm(slot L)), through the model's logit map, equals its logits",
            gap(readout, logits),
            tolerance,
        ),
    ]
    alone = [captured(blocks, [prompt], device, share=False)[0] for prompt in prompts]
    cut = captured(blocks, [_cut(long)], device, share=False)[0]
    together = captured(blocks, prompts, device, share=False)
    checks += [
        Check("causal", "a state does not depend on later tokens", gap(cut[0], _at(stream, 5)), tolerance),
        Check(
            "capture", "what is captured is the running stream", gap(alone[0][-1], stream[:, -1]), tolerance
        ),
        Check("batch", "a state does not depend on its batch or padding", worst(together, alone), tolerance),
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
    edits = prove_edits(blocks, prompts, device, tolerance, refusals)
    sites, heads = _try_heads(blocks, short, device, refusals)
    factors: tuple[float | None, ...] = ()
    attribution: list[Check] = []
    if sites is None:
        refusals["attribution"] = "heads are refused"
    else:
        plain = partial(_run_plain, blocks, short, device)
        factors, attribution = prove_attribution(blocks, plain, sites, dtype, tolerance, refusals)
    resume: list[Check] = []
    if "edits" in refusals:
        refusals["resume"] = "edits are refused"
    else:
        may_cache = "prefix sharing" not in refusals
        resume = prove_resume(blocks, long, sites, device, tolerance, refusals, may_cache=may_cache)
    return Proof((*checks, *shared, *edits, *heads, *attribution, *resume), sites, refusals, factors)


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
    Float[Tensor, "slot token hidden"],
    Float[Tensor, "token vocab"],
    Float[Tensor, "slot token hidden"],
    Float[Tensor, "token vocab"],
]:
    """The model's own hidden states and logits of a plain call, the stream read by hooks in that call, and
    the logits of its last slot; on the CPU, as the parts of a model may have devices of their own."""
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
        torch.stack([s[0].cpu() for s in output.hidden_states]),
        output.logits[0].cpu(),
        torch.stack([s[0].cpu() for s in read]),
        blocks.logits(read[-1][0]).cpu(),
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
    run(blocks, beginning(blocks, 1, device, cached=False), [prompt.ids], [0], [Row(0, 1, prompt)])


def _try_shared(
    blocks: Blocks,
    prompts: Sequence[Rendered],
    alone: Sequence[Tensor],
    device: torch.device,
    tolerance: float,
    refusals: dict[str, str],
) -> list[Check]:
    """Whether a shared beginning may run once, and a cache hold padding; where they may not, every prompt
    runs whole, and replies of one length are made together."""
    says = "a state is the same where a shared beginning ran once, and behind padding in the cache"
    try:
        shared = [
            captured(blocks, prompts, device, share=True),
            captured(blocks, [*prompts[:2], *prompts[:2]], device, share=True)[:2],
        ]
        error = max(worst(shared[0], alone), worst(shared[1], alone[:2]))
        error = max(error, _behind_padding(blocks, prompts, device))
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as reason:
        refusals["prefix sharing"] = f"the model's cache cannot be forked ({type(reason).__name__})"
        return []
    check = Check("prefix sharing", says, error, tolerance)
    if not check.passed:
        refusals["prefix sharing"] = f"{says}: error {error:.2e} > {tolerance:.0e}"
    return [check]


def _behind_padding(blocks: Blocks, prompts: Sequence[Rendered], device: torch.device) -> float:
    """How far the state of a token that follows a short prompt is off, where a longer one rides beside it.

    A model whose attention counts distances along its cache counts the padding between the two.
    """
    short, long = (pick(prompts, key=lambda one: len(one.ids)) for pick in (min, max))
    follows, rows = (short.ids[0],), [Row(0, 2, short), Row(1, 2, long)]
    segment = beginning(blocks, 2, device, cached=True)
    run(blocks, segment, [short.ids, long.ids], [0, 0], rows)
    starts = [len(short.ids), len(long.ids)]
    beside = run(blocks, segment, [follows, follows], starts, rows)[0, 0]
    whole = run(
        blocks, beginning(blocks, 1, device, cached=False), [short.ids + follows], [0], [Row(0, 1, short)]
    )[0, -1]
    return gap(beside[None], whole[None])


def _try_heads(
    blocks: Blocks, prompt: Rendered, device: torch.device, refusals: dict[str, str]
) -> tuple[tuple[HeadSite | None, ...] | None, list[Check]]:
    """Heads, proved in the first, middle and last block that has attention."""
    found = prove_heads(blocks.decoder, blocks.layers, partial(_run_plain, blocks, prompt, device))
    if found is None:
        refusals["heads"] = "no projection was handed the result of attention by heads"
        return None, []
    checks = [
        Check("head zeroed", "zeroing head h in the attention zeroes slice h", found.own_slice, 0.0),
        Check("head alone", "and changes no other slice", found.other_slices, 0.0),
    ]
    if not all(check.passed for check in checks):
        refusals["heads"] = "; ".join(f"{c.says}: error {c.error:.2e}" for c in checks if not c.passed)
        return None, checks
    return found.sites, checks
