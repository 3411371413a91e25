"""Training plants at the very tokens that the instrument reads."""

import random

import pytest

from latentguard.lm import ChatTemplate
from latentguard.organism.encoding import encode, prompt_text
from latentguard.organism.grammar import KINDS, Grammar, Kind
from latentguard.organism.tokenizer import ChatTokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return train_tokenizer()


@pytest.mark.parametrize("kind", KINDS)
def test_planted_positions_are_the_proved_positions(tokenizer: ChatTokenizer, kind: Kind) -> None:
    rng = random.Random(0)
    template = ChatTemplate(tokenizer)
    for _ in range(10):
        chat = Grammar(two_turn_share=0.3).chat(kind, rng.random() < 0.5, rng)
        mine, proved = encode(chat, tokenizer), template.render(chat.messages, context=chat.context)
        assert prompt_text(chat) == proved.text
        assert mine.ids == proved.ids
        assert mine.first == proved.content[0]
        assert (mine.t_inst, mine.t_post_inst) == (proved.t_inst, proved.t_post_inst)
        if chat.context is None:
            assert mine.read_harm == proved.t_inst
        else:
            assert proved.context_end is not None
            assert mine.read_harm == proved.context_end - 1
