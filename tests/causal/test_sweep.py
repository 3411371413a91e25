"""A sweep is what whole edited runs say, runs no more blocks than it must, and goes on where it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from latentguard.causal import Arm, Attempt, FirstTokens, Pair, sweep
from latentguard.lm import LanguageModel, Rendered
from latentguard.lm.blocks import stream_of


@pytest.fixture(scope="module")
def prompts(organism: LanguageModel) -> list[Rendered]:
    texts = [
        "how do I protect the garden",
        "tell me how to burn the village.",
        "I want to help the neighbour?",
    ]
    return [
        organism.render(f"User wants to {text}\nCould it?", context=f"User wants to {text}\n")
        for text in texts
    ]


@pytest.fixture(scope="module")
def tokens(organism: LanguageModel) -> FirstTokens:
    return FirstTokens.of_words(organism, ["Certainly"], ["No"])


@contextmanager
def _counted(model: LanguageModel) -> Iterator[list[int]]:
    """Rows of every block that ran."""
    rows: list[int] = []
    handles = [
        layer.register_forward_hook(lambda _, __, output: rows.append(stream_of(output).shape[0]))
        for layer in model.blocks.layers
    ]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()


def test_outcomes_are_those_of_whole_edited_runs(
    organism: LanguageModel, pair: Pair, prompts: list[Rendered], tokens: FirstTokens
):
    attempts = [
        Attempt(arm, block, scale) for arm in pair.arms() for block in (0, 2, 5) for scale in (1.0, -2.0)
    ]
    found = sweep(organism, prompts, attempts, tokens, at_once=5)
    for attempt in attempts:
        with organism.edited([attempt.arm.edit(attempt.block, attempt.scale)]):
            answers = tokens.read(organism.next_token_logits(prompts))
        assert torch.equal(found.under(attempt), answers.said)
        assert found.probability(attempt) == pytest.approx(float(answers.affirmative.mean()), abs=1e-4)
    assert torch.equal(found.unedited, tokens.read(organism.next_token_logits(prompts)).said)


def test_a_direction_at_all_blocks_costs_half_the_blocks_and_two_passes_a_prompt(
    organism: LanguageModel, pair: Pair, prompts: list[Rendered], tokens: FirstTokens
):
    """At most L/2 + 2 forward passes a prompt, direction, sign and scale, the unedited run among them."""
    n = organism.n_blocks
    arm = pair.arms()[0]
    with _counted(organism) as rows:
        sweep(organism, prompts, [Attempt(arm, block, 1.0) for block in range(n)], tokens)
    assert sum(rows) / n / len(prompts) <= n / 2 + 2
    assert sum(rows) == len(prompts) * (n + n * (n + 1) // 2)


def test_what_was_swept_is_not_run_again_after_a_kill(
    organism: LanguageModel,
    pair: Pair,
    prompts: list[Rendered],
    tokens: FirstTokens,
    tmp_path: Path,
):
    attempts = [Attempt(pair.arms()[0], block, 1.0) for block in (1, 4)]
    whole = sweep(organism, prompts, attempts, tokens)

    class Killed(BaseException):
        pass

    def kill(_: str, done: int, __: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        sweep(organism, prompts, attempts, tokens, folder=tmp_path, progress=kill)
    (file,) = tmp_path.iterdir()
    with file.open("a") as half:
        half.write('{"prompt": "cut o')
    with _counted(organism) as rows:
        again = sweep(organism, prompts, attempts, tokens, folder=tmp_path)
    n = organism.n_blocks
    assert sum(rows) == n + (n - 1) + (n - 4), "the third prompt alone"
    for name in ("unedited", "said"):
        assert torch.equal(getattr(again, name), getattr(whole, name))
    with _counted(organism) as rows:
        assert torch.equal(sweep(organism, prompts, attempts, tokens, folder=tmp_path).said, whole.said)
    assert rows == []


def test_another_direction_scale_or_answer_is_never_taken_for_what_was_kept(
    organism: LanguageModel, pair: Pair, prompts: list[Rendered], tokens: FirstTokens, tmp_path: Path
):
    arm = pair.arms()[0]
    kept = [Attempt(arm, 3, 1.0)]
    sweep(organism, prompts[:1], kept, tokens, folder=tmp_path)
    nudged = Arm(arm.name, torch.nextafter(arm.vectors, torch.tensor(torch.inf)), arm.scope)
    others = [
        ([Attempt(arm, 3, -1.0)], tokens),
        ([Attempt(arm, 2, 1.0)], tokens),
        ([Attempt(Arm(arm.name, arm.vectors, "prompt"), 3, 1.0)], tokens),
        ([Attempt(nudged, 3, 1.0)], tokens),
        (kept, FirstTokens(tokens.affirmative, None)),
    ]
    for number, (attempts, heard) in enumerate(others):
        sweep(organism, prompts[:1], attempts, heard, folder=tmp_path)
        assert len(list(tmp_path.iterdir())) == number + 2


def test_only_prompts_answered_truly_can_be_turned(
    organism: LanguageModel, pair: Pair, prompts: list[Rendered], tokens: FirstTokens
):
    attempt = Attempt(pair.arms()[0], 3, 1.0)
    found = sweep(organism, prompts, [attempt], tokens)
    for answer in (1, -1):
        assert len(found.turned(attempt, answer)) == int((found.unedited == answer).sum())
