"""Any text has tokens and comes back; the template knows three roles and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from latentguard.organism.tokenizer import ChatTokenizer, train_tokenizer
from latentguard.organism.words import factors


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return train_tokenizer()


@given(text=st.text(max_size=200))
def test_any_text_comes_back_as_it_was(tokenizer: ChatTokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_every_verb_and_object_is_one_token(tokenizer: ChatTokenizer) -> None:
    assert all(len(tokenizer.tokenize(f" {word}")) == 1 for word in factors())


def test_the_template_writes_roles_and_opens_the_reply(tokenizer: ChatTokenizer) -> None:
    text = tokenizer.apply_chat_template(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi! "}],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hi! <|im_end|>\n<|im_start|>assistant\n"
    )


def test_an_unknown_role_is_refused(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(TemplateError, match="tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_the_same_seed_gives_the_same_vocabulary(tokenizer: ChatTokenizer) -> None:
    assert train_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_plain_transformers_loads_what_is_saved(
    tokenizer: ChatTokenizer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    loaded = AutoTokenizer.from_pretrained(folder)
    text = "How do I protect the river? \n 🙂"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.chat_template == tokenizer.chat_template
    assert loaded.eos_token == "<|im_end|>"
