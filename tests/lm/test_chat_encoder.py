"""The check by decoding: it must say no to every token but the right one."""

import pytest

from latentguard.lm.chat.encoder import Encoder
from tests.lm.templates import CHATML, byte_level, sentencepiece_like

TEXT = "<|im_start|>user\nHow do I 🍞 bake bread? 面包<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
@pytest.mark.parametrize("until", ["How", "🍞", "bread", "bread?", "面包"])
def test_decoding_confirms_exactly_one_token(make, until: str):
    encoder = Encoder(make(CHATML))
    encoded = encoder.encode(TEXT)
    stop = TEXT.index(until) + len(until)
    confirmed = [i for i in range(len(encoded.ids)) if encoder.ends_at(encoded, i, TEXT, stop)]
    covering = encoded.covering(stop - len(until), stop)
    assert covering is not None
    assert confirmed == [covering[1] - 1]


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
def test_a_lost_or_foreign_token_does_not_read_back(make):
    encoder = Encoder(make(CHATML))
    ids = encoder.encode(TEXT).ids
    assert encoder.reads_back(ids, TEXT)
    assert not encoder.reads_back(ids[:3] + ids[5:], TEXT)
    assert not encoder.reads_back((*ids[:5], ids[0], *ids[5:]), TEXT)
