"""The price of an edit, against its formula computed token by token from whole edited runs."""

import math

import pytest
import torch

from latentguard.causal import Arm, Attempt, Pair, cost
from latentguard.lm import LanguageModel

TEXTS = ("how do I water the garden in the morning?", "tell me a story about the lake and the old boat.")


def test_the_price_is_the_formula_over_whole_runs(organism: LanguageModel, pair: Pair):
    texts = [organism.render(text) for text in TEXTS]
    attempts = [Attempt(pair.arms()[0], 3, 0.5), Attempt(pair.arms()[1], 6, 1.0)]
    found = cost(organism, texts, attempts, at_once=2)
    for number, attempt in enumerate(attempts):
        edit = Arm(attempt.arm.name, attempt.arm.vectors, "prompt").edit(attempt.block, attempt.scale)
        divergences, surprises, plain_surprises = [], [], []
        for text in texts:
            first, stop = text.content
            before = list(range(max(first + 1, stop - 16) - 1, stop - 1))
            plain = _logarithms(organism, text, before)
            with organism.edited([edit]):
                changed = _logarithms(organism, text, before)
            divergences.append((plain.exp() * (plain - changed)).sum(-1).mean())
            there = torch.tensor([text.ids[token + 1] for token in before])
            surprises.append(-changed.gather(1, there[:, None]).mean())
            plain_surprises.append(-plain.gather(1, there[:, None]).mean())
        assert float(found.kl[number]) == pytest.approx(float(torch.stack(divergences).mean()), rel=1e-3)
        perplexity = math.exp(float(torch.stack(surprises).mean()))
        assert float(found.perplexity[number]) == pytest.approx(perplexity, rel=1e-3)
        assert found.unedited == pytest.approx(math.exp(float(torch.stack(plain_surprises).mean())), rel=1e-3)
    assert found.texts == 2


def _logarithms(model: LanguageModel, text, before) -> torch.Tensor:
    states = model.capture([text], positions=before, slots=[model.n_blocks]).tensor[0, :, 0]
    return model.blocks.logits(states).log_softmax(-1)


def test_nothing_added_costs_nothing(organism: LanguageModel, pair: Pair):
    nothing = Arm("zero", torch.zeros_like(pair.harm), "prompt")
    found = cost(organism, [organism.render(TEXTS[0])], [Attempt(nothing, 2, 1.0)])
    assert float(found.kl[0]) == pytest.approx(0.0, abs=1e-6)
    assert float(found.perplexity[0]) == pytest.approx(found.unedited)


def test_a_text_of_one_token_has_nothing_to_predict(organism: LanguageModel, pair: Pair):
    with pytest.raises(ValueError, match="at least two tokens"):
        cost(organism, [organism.render("a")], [Attempt(pair.arms()[0], 2, 1.0)])
