"""What cannot be proved is refused by name, with the evidence and a way out."""

import pytest
from transformers import PreTrainedTokenizer

from latentguard.errors import BadData, ModelNotSupported, PositionNotProved, PromptTooLong, TemplateError
from latentguard.lm.chat import ChatTemplate, Message
from tests.lm.templates import (
    CAPITALISES,
    CHATML,
    FAMILIES,
    GEMMA,
    LLAMA_3,
    REPLACES,
    SHOUTS,
    SILENT,
    TOOLS,
    TWICE,
    Family,
    byte_level,
)

families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.mark.parametrize(
    ("template", "content", "inserted"),
    [
        (REPLACES, "How do I <|im_end|> bake bread?", "How do I  bake bread?"),
        (CAPITALISES, "bake Bread", "Bake bread"),
        (SHOUTS, "bake bread", "another text"),
        (TWICE, "bake bread", "2 times"),
        (SILENT, "bake bread", "nothing of it"),
    ],
)
def test_content_that_the_template_alters_is_refused_with_both_texts(
    template: str, content: str, inserted: str
):
    with pytest.raises(PositionNotProved) as refused:
        ChatTemplate(byte_level(template)).render(content)
    assert content in str(refused.value)
    assert inserted in str(refused.value)


@pytest.mark.parametrize(("template", "content"), [(REPLACES, "bake bread?"), (CAPITALISES, "Bake bread")])
def test_a_template_that_could_alter_content_is_used_where_it_does_not(template: str, content: str):
    assert ChatTemplate(byte_level(template)).render(content).inserted == "verbatim"


@families
@pytest.mark.parametrize("content", ["", " ", "\n\n", "\u3000\t"])
def test_a_blank_turn_has_no_instruction_token(family: Family, content: str):
    with pytest.raises(PositionNotProved, match="blank"):
        ChatTemplate(byte_level(family.template)).render(content)


def test_a_blank_tool_result_has_no_content_token():
    with pytest.raises(PositionNotProved, match="blank"):
        ChatTemplate(byte_level(TOOLS)).render([Message("user", "Name a river"), Message("tool", " ")])


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_a_conversation_without_a_user_is_refused(role: str):
    with pytest.raises(PositionNotProved, match="no turn of the user"):
        ChatTemplate(byte_level(TOOLS)).render([Message(role, "Name a river")])


def test_a_template_that_takes_no_system_role_is_one_named_error():
    with pytest.raises(TemplateError, match="System role not supported") as refused:
        ChatTemplate(byte_level(GEMMA)).render(
            [Message("system", "Be brief."), Message("user", "Name a river")]
        )
    assert "system, user" in str(refused.value)


def test_a_template_that_fails_is_one_named_error():
    with pytest.raises(TemplateError, match="refused these messages"):
        ChatTemplate(byte_level("{{ messages[0].content + 1 }}")).render("Name a river")


def test_a_model_without_a_chat_template_is_named():
    with pytest.raises(TemplateError, match="'tests/tokenizer' has no chat template"):
        ChatTemplate(byte_level(None))


def test_a_template_without_a_switch_for_thinking_refuses_to_switch():
    with pytest.raises(TemplateError, match="no switch for thinking"):
        ChatTemplate(byte_level(CHATML), thinking=False)


def test_a_prompt_beyond_the_context_is_refused_with_both_counts():
    tokens = len(ChatTemplate(byte_level(CHATML)).render("Name a river").ids)
    assert len(ChatTemplate(byte_level(CHATML), max_tokens=tokens).render("Name a river").ids) == tokens
    with pytest.raises(PromptTooLong, match=rf"{tokens} tokens.* reads {tokens - 1}\."):
        ChatTemplate(byte_level(CHATML), max_tokens=tokens - 1).render("Name a river")


def test_stored_truncation_and_padding_cut_and_add_nothing():
    plain = ChatTemplate(byte_level(CHATML)).render("Name a river " * 30)
    tokenizer = byte_level(CHATML)
    tokenizer.backend_tokenizer.enable_truncation(max_length=8)
    tokenizer.backend_tokenizer.enable_padding(length=4096)
    stored = ChatTemplate(tokenizer)
    tokenizer.backend_tokenizer.enable_truncation(max_length=4)
    assert stored.render("Name a river " * 30) == plain


class Slow(PreTrainedTokenizer):
    """A tokenizer in Python only, which knows no offsets."""

    @property
    def vocab_size(self):
        return 256

    def get_vocab(self):
        return {chr(code): code for code in range(256)}

    def _tokenize(self, text, **kwargs):
        return list(text)

    def _convert_token_to_id(self, token):
        return ord(token)

    def _convert_id_to_token(self, index):
        return chr(index)


def test_a_tokenizer_without_offsets_is_refused():
    slow = Slow(name_or_path="acme/slow")
    slow.chat_template = CHATML
    with pytest.raises(ModelNotSupported, match="'acme/slow'"):
        ChatTemplate(slow)


def test_a_tokenizer_that_does_more_than_its_backend_is_refused(monkeypatch: pytest.MonkeyPatch):
    tokenizer = byte_level(CHATML)
    monkeypatch.setattr(type(tokenizer), "__call__", lambda self, *_, **__: {"input_ids": [1, 2, 3]})
    with pytest.raises(ModelNotSupported, match="more than its fast backend"):
        ChatTemplate(tokenizer)


def test_half_a_surrogate_pair_is_bad_data():
    with pytest.raises(BadData, match="surrogate"):
        ChatTemplate(byte_level(CHATML)).render("bake \ud83c bread")


@pytest.mark.parametrize("context", ["bake", "How do I bake bread? And then", "how do I"])
def test_a_context_must_be_how_the_content_begins(context: str):
    with pytest.raises(PositionNotProved, match="not how the last user turn's content begins"):
        ChatTemplate(byte_level(CHATML)).render("How do I bake bread?", context=context)


@pytest.mark.parametrize("context", [" ", "  ", "  bake bread "])
def test_a_context_that_ends_in_trimmed_blanks_is_refused(context: str):
    with pytest.raises(PositionNotProved, match="white space that the template trims"):
        ChatTemplate(byte_level(LLAMA_3)).render("  bake bread  ", context=context)
    assert ChatTemplate(byte_level(CHATML)).render("  bake bread  ", context=context).context_end is not None


def test_what_an_error_shows_is_inert():
    with pytest.raises(PositionNotProved) as refused:
        ChatTemplate(byte_level(TWICE)).render("\x1b[31mred\u202e")
    assert "\x1b" not in str(refused.value)
    assert "\u202e" not in str(refused.value)
