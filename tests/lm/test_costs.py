"""What a job costs, counted: block by block, the tokens that run, padding included. No clock is asked.

The bounds are those of `benchmarks/`, where the same jobs are timed on a real model.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from latentguard.lm import AddDirection, LanguageModel, Rendered
from latentguard.lm.budget import Budget
from tests.lm.tiny import tiny

DEPTH = 24
BUDGET = 512
"""Padded tokens a batch on a CPU."""


@pytest.fixture(scope="module")
def deep() -> LanguageModel:
    """As many blocks as the real 0.5B."""
    model = tiny("Qwen2", num_hidden_layers=DEPTH)
    model._budget = Budget.of(torch.device("cpu"))  # wherever it runs
    return model


@pytest.fixture(scope="module")
def prompts(deep: LanguageModel) -> list[Rendered]:
    """64 prompts of log-normal length and 16 long ones, with nothing in common but the template."""
    draw = np.random.default_rng(0)
    lengths = [*draw.lognormal(3.1, 0.6, 64), *draw.lognormal(5.1, 0.6, 16)]
    letters = list("abcdefghijklmnopqrstuvwxyz ")
    return [deep.render("x" + "".join(draw.choice(letters, max(2, int(length))))) for length in lengths]


@contextmanager
def counted(model: LanguageModel) -> Generator[dict[str, int]]:
    """Tokens times blocks that run inside the block, and calls of the decoder and of the output head."""
    found = {"work": 0, "decoder": 0, "head": 0}

    def block(_: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        stream = arguments[0] if arguments else keywords["hidden_states"]
        found["work"] += stream.shape[0] * stream.shape[1]

    def call(name: str) -> Callable[..., None]:
        return lambda *_: found.update({name: found[name] + 1})

    handles = [layer.register_forward_pre_hook(block, with_kwargs=True) for layer in model.blocks.layers]
    handles.append(model.blocks.decoder.register_forward_pre_hook(call("decoder")))
    handles.append(model.blocks.unembedding.register_forward_pre_hook(call("head")))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def floor(prompts: list[Rendered]) -> int:
    """Length-sorted, right-padded batches of the same budget through every block."""
    batches: list[list[int]] = []
    for length in sorted(len(prompt.ids) for prompt in prompts):
        if not batches or (len(batches[-1]) + 1) * length > BUDGET:
            batches.append([])
        batches[-1].append(length)
    return DEPTH * sum(len(batch) * max(batch) for batch in batches)


JOBS: dict[str, tuple[Callable[[LanguageModel, list[Rendered]], object], float]] = {
    "two positions, all slots": (
        lambda model, prompts: model.capture(prompts, positions=("t_inst", "t_post_inst")),
        1.05,
    ),
    "running means": (lambda model, prompts: model.means(prompts, [0] * len(prompts)), 1.05),
    "all heads": (lambda model, prompts: model.capture_heads(prompts, positions=("t_post_inst",)), 1.10),
    "one slot at half depth": (
        lambda model, prompts: model.capture(prompts, positions=("t_post_inst",), slots=[DEPTH // 2]),
        0.55,
    ),
    "one slot at a quarter": (
        lambda model, prompts: model.capture(prompts, positions=("t_post_inst",), slots=[DEPTH // 4]),
        0.30,
    ),
}


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("job", JOBS)
def test_reading_costs_no_more_than_the_bare_forward(
    deep: LanguageModel, prompts: list[Rendered], job: str, shares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor runs every prompt whole; so does reading where a shared beginning may not run once."""
    run, bound = JOBS[job]
    if not shares:
        refused = {**deep.proof.refusals, "prefix sharing": "not here"}
        monkeypatch.setattr(deep, "proof", replace(deep.proof, refusals=refused))
    with counted(deep) as found:
        run(deep, prompts)
    assert 0 < found["work"] <= bound * floor(prompts)
    assert found["head"] == 0, "no output head"


def test_what_runs_with_the_first_is_one_batch_that_wastes_little(
    deep: LanguageModel, prompts: list[Rendered]
) -> None:
    """Taken so, one batch after the other, all prompts cost little more than when all are known at once."""
    with counted(deep) as together:
        deep.capture(prompts)
    waiting = list(prompts)
    work = 0
    while waiting:
        numbers = deep.run_with_first(waiting)
        assert 0 in numbers
        assert len(set(numbers)) == len(numbers)
        with counted(deep) as one:
            deep.capture([waiting[number] for number in numbers])
        assert one["decoder"] <= 3  # a beginning, stems, and the rest of each
        assert one["work"] <= DEPTH * BUDGET or len(numbers) == 1
        work += one["work"]
        waiting = [each for number, each in enumerate(waiting) if number not in numbers]
    assert work <= 1.1 * together["work"]


def test_what_shares_a_beginning_runs_with_the_first(deep: LanguageModel) -> None:
    system = {"role": "system", "content": "You sell bicycles and answer in one sentence. " * 8}
    texts = ("How long is a chain?", "Where is the nearest shop?", "Do you mend tyres?")
    under = [deep.render([system, {"role": "user", "content": text}]) for text in texts]
    others = [deep.render("z" * 400), deep.render("q" * 90)]
    assert set(deep.run_with_first([under[0], others[0], under[1], others[1], under[2]])) == {0, 2, 4}


def test_a_shared_system_prompt_is_run_once(deep: LanguageModel) -> None:
    system = {"role": "system", "content": "Answer in one short sentence. " * 12}
    rendered = [deep.render([system, {"role": "user", "content": f"{n} rivers?"}]) for n in range(10, 50)]
    with counted(deep) as found:
        deep.capture(rendered, positions=("t_post_inst",))
    own = sum(len(prompt.ids) for prompt in rendered)
    assert len(rendered[0].ids) > 100
    assert found["work"] < DEPTH * own / 5


def test_a_sweep_over_the_blocks_costs_little_more_than_half_its_runs(deep: LanguageModel) -> None:
    """L edited runs, one a block: each from its own block on, so that L/2 + 2 whole runs are enough."""
    prompt = deep.render("Name a river.")
    edits = [[AddDirection(slot, torch.ones(deep.hidden_size))] for slot in range(DEPTH)]
    with counted(deep) as found:
        deep.edited_logits(prompt, edits, at_once=32)
    assert found["work"] <= (DEPTH / 2 + 2) * DEPTH * len(prompt.ids)
    assert found["work"] <= 0.60 * DEPTH * DEPTH * len(prompt.ids)


def test_a_step_of_a_reply_runs_one_token_a_row(deep: LanguageModel) -> None:
    prompts = ["Name a river.", "Name a long river in the north.", "Why?"]
    with counted(deep) as found:
        replies = deep.generate(prompts, max_new_tokens=6)
    with counted(deep) as first:
        deep.generate(prompts, max_new_tokens=1)
    later = sum(len(reply.ids) for reply in replies) - len(replies)
    assert found["work"] - first["work"] == DEPTH * later
    assert found["decoder"] - first["decoder"] == max(len(reply.ids) for reply in replies) - 1
