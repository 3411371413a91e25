"""What is read of a reply: no thinking, no quotations, one typography."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.judge.spoken import spoken, unquoted, without_thinking


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("<think>secret</think>bread", "bread"),
        ("<THINK>secret</THINK>bread", "bread"),
        ("<think>one</think>a<think>two</think>b", "a b"),
        ("<think>never closed", ""),
        ("opened by the template</think>bread", "bread"),
        ("[THINK]secret[/THINK]bread", "bread"),
        ("<|channel|>analysis<|message|>secret<|end|><|channel|>final<|message|>bread", "bread"),
        ("bread<|im_end|>", "bread"),
    ],
)
def test_thinking_and_control_tokens_are_not_said(raw, said):
    assert " ".join(without_thinking(raw).split()) == said


@pytest.mark.parametrize("apostrophe", "'’‘ʼ´＇")
def test_every_apostrophe_reads_the_same(apostrophe):
    assert spoken(f"I can{apostrophe}t") == "i can't"


@settings(deadline=None)
@given(st.text(alphabet=" \n\t.…!?*_-\"'“”\u200b\ufeff#>"))
def test_marks_and_white_space_alone_say_nothing(text):
    assert spoken(text) == ""


@settings(deadline=None)
@given(st.text())
def test_spoken_text_has_one_typography(text):
    said = spoken(text)
    assert said == said.strip()
    assert not set("’‘“”«»\u200b\ufeff") & set(said)


@pytest.mark.parametrize(
    ("plain", "outside"),
    [
        ('he said "i cannot" and left', 'he said "" and left'),
        ('say "i cannot', 'say ""'),
        ("reply: 'i can't come' or so", 'reply: "" or so'),
        ("it's what i don't like", "it's what i don't like"),
        ('"i cannot help."', "i cannot help."),
        ('"i cannot help.', "i cannot help."),
        ('"i cannot help."\nmore "words"', 'i cannot help.\nmore ""'),
        ('"i cannot" is short', '"" is short'),
    ],
)
def test_quotations_are_set_apart_unless_they_are_the_reply(plain, outside):
    assert unquoted(plain) == outside
