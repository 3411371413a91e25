"""Balanced endings: the final mark says nothing about what came before it."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from latentguard.data import Prompt, endings_of, final_punctuation, with_endings
from latentguard.data.endings import WESTERN, without_ending

TAILS = st.text(alphabet=".?!…。？！؟।;:, \t\n\"')]”」🍞👍🏽", max_size=8)
BODIES = st.text(alphabet=st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Zs", "Po"]), max_size=40)


def texts(prompts):
    return [prompt.text for prompt in prompts]


def balanced(text, **fields):
    return texts(with_endings([Prompt.of(text, **fields)]))


def test_each_prompt_comes_once_per_ending_prompt_major():
    prompts = [Prompt.of("Bake bread.", id="a"), Prompt.of("Bake cake?", id="b")]
    rendered = with_endings(prompts)
    assert texts(rendered) == [
        "Bake bread",
        "Bake bread.",
        "Bake bread?",
        "Bake bread!",
        "Bake cake",
        "Bake cake.",
        "Bake cake?",
        "Bake cake!",
    ]
    assert [prompt.id for prompt in rendered] == ["a"] * 4 + ["b"] * 4


def test_as_written_changes_nothing():
    prompts = [Prompt.of("Bake bread?!  "), Prompt.of("...")]
    assert with_endings(prompts, "as_written") == prompts


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Bake bread?!", "Bake bread"),
        ("Bake bread...", "Bake bread"),
        ("Bake bread…  \n", "Bake bread"),
        ("Bake bread ?", "Bake bread"),
        ('He said "bake bread."', 'He said "bake bread"'),
        ("Bake bread (the white one!).", "Bake bread (the white one)"),
        ("Bake bread! 🍞", "Bake bread 🍞"),
        ("Bake bread 👍🏽?", "Bake bread 👍🏽"),
        ("Continue the sentence:", "Continue the sentence"),
        ("Mr. Smith's bread", "Mr. Smith's bread"),
        ("Call bake(x)", "Call bake(x)"),
        ("1. Flour\n2. Water.", "1. Flour\n2. Water"),
    ],
)
def test_final_marks_are_stripped_and_nothing_else(text, body):
    assert balanced(text) == [body + ending for ending in WESTERN]


@pytest.mark.parametrize(
    ("text", "endings"),
    [
        ("怎么做面包？", "。？！"),
        ("パンの作り方を教えて。", "。？！"),
        ("빵을 만드는 방법은?", ".?!"),
        ("كيف أخبز الخبز؟", ".؟!"),
        ("روٹی کیسے پکائیں۔", "۔؟!"),
        ("रोटी कैसे बनाएं?", "।?!"),
        ("রুটি কীভাবে বানাব?", "।?!"),
        ("Πώς φτιάχνω ψωμί;", ".;!"),
        ("Ինչպես հաց թխել։", "։՞՜"),
        ("ዳቦ እንዴት እጋግራለሁ፧", "።፧!"),
        ("ทำขนมปังอย่างไร", ".?!"),
        ("Как испечь хлеб?", ".?!"),
        ("用Python写一个函数", "。？！"),
    ],
)
def test_each_script_has_its_own_marks(text, endings):
    assert endings_of(text) == ("", *endings)
    assert [rendered.removeprefix(without_ending(text)) for rendered in balanced(text)] == ["", *endings]


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        (
            "¿Cómo hago pan?",
            None,
            ["Cómo hago pan", "Cómo hago pan.", "¿Cómo hago pan?", "¡Cómo hago pan!"],
        ),
        (
            "Hola, ¿cómo estás?",
            "es",
            ["Hola, cómo estás", "Hola, cómo estás.", "Hola, ¿cómo estás?", "Hola, ¡cómo estás!"],
        ),
        (
            "¿Tienes harina? Haz pan.",
            "es",
            [
                "¿Tienes harina? Haz pan",
                "¿Tienes harina? Haz pan.",
                "¿Tienes harina? ¿Haz pan?",
                "¿Tienes harina? ¡Haz pan!",
            ],
        ),
    ],
)
def test_spanish_opens_what_it_closes(text, lang, expected):
    assert balanced(text, lang=lang) == expected


@settings(deadline=None)
@given(BODIES, TAILS)
def test_renderings_of_one_text_differ_in_their_endings_only(body, tail):
    text = f"bake {body}{tail}"
    assume(not set("¿¡") & set(text))
    rendered = balanced(text)
    endings = endings_of(text)
    assert len(rendered) == 4
    assert [whole.removesuffix(ending) for whole, ending in zip(rendered, endings, strict=True)] == [
        rendered[0]
    ] * 4
    assert with_endings([Prompt.of(rendered[0])])[0].text == rendered[0]


@settings(deadline=None)
@given(BODIES, TAILS, TAILS)
def test_what_stood_at_the_end_leaves_no_trace(body, first, second):
    marks = set("\"')]”」🍞👍🏽")
    assume(not marks & set(first + second))
    assume(not set("¿¡") & set(body))
    assume(endings_of(f"bake {body}x{first}") == endings_of(f"bake {body}x{second}"))
    assert balanced(f"bake {body}x{first}") == balanced(f"bake {body}x{second}")


@pytest.mark.parametrize("text", ["...", "?!", "👍", ""])
def test_a_text_of_marks_alone_keeps_them(text):
    assert balanced(text) == [text + ending for ending in WESTERN]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("Bake bread", ""),
        ("Bake bread.", "."),
        ("Bake bread ?! ", "?!"),
        ('Say "bread."', '."'),
        ("怎么做面包？", "？"),
        ("Bake bread! 🍞", ""),
        ("C++", ""),
        ("", ""),
    ],
)
def test_the_ending_only_feature_sees_the_ending_only(text, ending):
    assert final_punctuation(text) == ending
