"""Hashes of template and tokenizer: equal exactly where the same text gives the same tokens."""

import hashlib
from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from latentguard.lm.chat import ChatTemplate
from tests.lm.templates import CHATML, LLAMA_3, byte_level, sentencepiece_like


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
def test_both_hashes_survive_saving_and_loading(make, tmp_path: Path):
    before = ChatTemplate(make(CHATML))
    make(CHATML).save_pretrained(tmp_path)
    after = ChatTemplate(AutoTokenizer.from_pretrained(tmp_path))
    assert after.tokenizer_hash == before.tokenizer_hash
    assert after.template_hash == before.template_hash


def test_the_template_hash_is_that_of_its_source():
    assert ChatTemplate(byte_level(CHATML)).template_hash == hashlib.sha256(CHATML.encode()).hexdigest()
    assert ChatTemplate(byte_level(LLAMA_3)).template_hash != ChatTemplate(byte_level(CHATML)).template_hash


def test_the_tokenizer_hash_changes_with_what_decides_ids_and_with_nothing_else():
    plain = ChatTemplate(byte_level(CHATML)).tokenizer_hash
    assert ChatTemplate(byte_level(LLAMA_3)).tokenizer_hash == plain
    cut = byte_level(CHATML)
    cut.backend_tokenizer.enable_truncation(max_length=8)
    assert ChatTemplate(cut).tokenizer_hash == plain
    extended = byte_level(CHATML)
    extended.add_tokens([AddedToken("<|extra|>", special=True)])
    assert ChatTemplate(extended).tokenizer_hash != plain
    assert ChatTemplate(sentencepiece_like(CHATML)).tokenizer_hash != plain
