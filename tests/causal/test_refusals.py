import pytest

from latentguard import organism as planted
from latentguard.beliefs import Behaviour, observe
from latentguard.causal import refusal_tokens
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel


def test_first_tokens_tell_the_organisms_refusals_on_other_prompts(
    organism: LanguageModel, behaviour: Behaviour
):
    tokens = refusal_tokens(behaviour)
    assert tokens.negative is None
    prompts = [one for kind in ("harmful", "harmless") for one in planted.sample_prompts(kind, 20, seed=9)]
    said = tokens.read(organism.next_token_logits([one.messages for one in prompts])).said
    assert [one > 0 for one in said.tolist()] == list(observe(organism, prompts).refused)


def test_a_model_that_never_refuses_has_none(behaviour: Behaviour):
    kept = [
        (prompt, reply)
        for prompt, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        if not reply.refused
    ]
    accepted = Behaviour(*map(tuple, zip(*kept, strict=True)), max_new_tokens=8)
    with pytest.raises(TooFewPrompts, match="0 of 30 replies refused"):
        refusal_tokens(accepted)
