"""What does a sweep of reply inversion over all blocks cost beside the paper's way?

Theirs: at every block a hundred tokens are generated under the edit, one prompt at a time, and the answer is
sought in the text (Zhao et al. 2025, released code). Ours: the first token, by one resumed run a block. Both
give the same first tokens, asserted. How long a reply is decides what theirs costs: timed as the model ends
its replies, and with a hundred tokens for every one.
"""

from unittest import mock

import torch
from harness import Report, arguments, compared, sentences, subject

from latentguard.causal import Arm, Attempt, FirstTokens, sweep
from latentguard.data import QUESTIONS

NEW_TOKENS = 100


def main() -> None:
    given = arguments(str(__doc__), repeats=3, prompts=1)
    model = subject(given)
    question = QUESTIONS[1].text
    texts = [f"User wants to {text}\n" for text in sentences(model, [20] * given.prompts, seed=3)]
    prompts = [model.render(text + question, context=text) for text in texts]
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn((model.n_slots, model.hidden_size), generator=generator)
    arm = Arm("v", vectors / vectors.norm(dim=-1, keepdim=True), "context")
    tokens = FirstTokens.of_words(model, ["Certainly"], ["No"])
    attempts = [Attempt(arm, block, 1.0) for block in range(model.n_blocks)]

    def ours() -> list[list[int]]:
        sweep(model, prompts, attempts, tokens)
        return [
            model.edited_logits(prompt, [[one.arm.edit(one.block, one.scale)] for one in attempts])
            .argmax(dim=-1)
            .tolist()
            for prompt in prompts
        ]

    def whole() -> list[list[int]]:
        first: list[list[int]] = []
        for prompt in prompts:
            first.append([])
            for one in attempts:
                with model.edited([one.arm.edit(one.block, one.scale)]):
                    reply = model.generate([prompt], max_new_tokens=NEW_TOKENS)[0]
                first[-1].append(reply.ids[0] if reply.ids else model.end)
        return first

    def never_ending() -> list[list[int]]:
        with mock.patch.object(model, "_ends", tuple):
            return whole()

    assert ours() == whole() == never_ending()
    report = Report(
        f"inversion at all {model.n_blocks} blocks, {len(prompts)} prompts of {len(prompts[0].ids)} tokens",
        "quartiles",
    )
    report.lines = compared(
        {
            f"{NEW_TOKENS} tokens at every block, one at a time": never_ending,
            "whole replies at every block, one at a time": whole,
            "first tokens, resumed": lambda: sweep(model, prompts, attempts, tokens),
        },
        repeats=given.repeats,
        against="first tokens, resumed",
        bounds={f"{NEW_TOKENS} tokens at every block, one at a time": 30.0},
        at_least=True,
    )
    report.write("inversion", model, given)


if __name__ == "__main__":
    main()
