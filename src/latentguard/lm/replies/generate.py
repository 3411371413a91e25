"""Generation with explicit settings: greedy unless a temperature is given, never a checkpoint's defaults.

A loop of our own, because edits need to know which prompt and index every token has in every step, with
and without a cache; what it computes is the plain decoding loop.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.lm.edits.in_force import every_edit_must_match
from latentguard.lm.replies.prefill import Batch, Prefill
from latentguard.lm.replies.reply import Ending, Generation, Reply, Sampling
from latentguard.lm.replies.watching import LastTokens, Reading, Watch


def generate(
    prefill: Prefill,
    *,
    ending: Ending,
    sampling: Sampling,
    use_cache: bool,
    budget: int,
    readings: Sequence[Reading] = (),
    watch: Watch | None = None,
    answers_flagged: bool = False,
    of_replies: LastTokens | None = None,
    progress: Progress = silent,
) -> list[Generation]:
    """One reply a prompt, in order. Batches are length-sorted; a row that has ended leaves its batch.

    Sampling draws from one generator a prompt (`seed` + its number), so a reply does not depend on its batch.
    `readings`: states to take from the prompts' own pass on the way. `watch`, whose reading is one of them,
    is asked before the first token of a batch is chosen; what it flags ends there, unless `answers_flagged`.
    `of_replies`: what to read of every reply token but the last, which is never run; needs the cache.
    """
    replies = {number: Reply() for number in prefill.prompts}
    draws = [sampling.draws(row) for row in range(len(replies))]
    verdicts = {} if watch is None else watch.verdicts
    done = 0
    with every_edit_must_match():
        for rows in prefill.batches(budget):
            batch = Batch(prefill, rows, replies, use_cache=use_cache, readings=readings)
            while (logits := batch.step(of_replies)) is not None:
                if watch is not None and rows[0] not in verdicts:
                    watch.judge(rows)
                    for row in rows:
                        if verdicts[row].flagged and not answers_flagged:
                            replies[row].finish = "flagged"
                for row, scores in zip(batch.live, logits, strict=True):
                    if replies[row].finish is None:
                        replies[row].take(sampling.choose(scores, draws[row]), ending)
            done += len(rows)
            progress("generating", done, len(replies))
    return [reply.done(ending, verdicts.get(row)) for row, reply in replies.items()]


def next_token_logits(
    prefill: Prefill, *, budget: int, progress: Progress = silent
) -> Float[Tensor, "prompt vocab"]:
    """Logits of the first reply token, float32 on the CPU, in the order of the prompts."""
    out: dict[int, Tensor] = {}
    with every_edit_must_match():
        for rows in prefill.batches(budget):
            out.update(zip(rows, prefill.logits(prefill.start(rows, cached=False), rows).cpu(), strict=True))
            progress("reading first tokens", len(out), len(prefill.prompts))
    return torch.stack([out[row] for row in range(len(prefill.prompts))])
