"""Positions of templated prompts, against an account that owes nothing to offsets: the tokens' bytes."""

import datetime
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.errors import PositionNotProved
from latentguard.lm.chat import ChatTemplate, Message
from tests.lm.templates import (
    CHATML,
    DATED,
    FAMILIES,
    LLAMA_2,
    NOT_FLAGGED_SPECIAL,
    SPECIAL,
    THINKING,
    TOOLS,
    TWICE,
    Family,
    byte_level,
    sentencepiece_like,
    token_bytes,
)

PIECES = [
    "How do I",
    "bake bread",
    "say it.",
    "assistant",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    ".",
    "?",
    " ",
    "  ",
    "    ",
    "\n",
    "\n\n",
    "\t",
    "\xa0",
    "\u3000",
    "🍞",
    "👩‍👩‍👧",
    "面包",
    "パン",
    "e\u0301",
    "\u200b",
    "\ufffd",
    "▁",
    "\x00",
    "\x1b[31m",
    "{{ 1 }}",
    "{% endfor %}",
    "<table>",
    *SPECIAL,
    *NOT_FLAGGED_SPECIAL,
]
contents = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs", "Co"]), min_size=1, max_size=20),
).filter(lambda text: bool(text.strip()))
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
examples = settings(max_examples=60, deadline=None, database=None)


bytes_of = cache(byte_level)


@cache
def chat(template: str, thinking: bool | None = None) -> ChatTemplate:
    return ChatTemplate(byte_level(template), thinking=thinking)


def token_of_byte(pieces: list[bytes], byte: int) -> int:
    """The token that holds this byte of the prompt."""
    return next(index for index, end in enumerate(accumulate(map(len, pieces))) if end > byte)


@families
@given(content=contents)
@examples
def test_t_inst_is_the_token_that_writes_the_last_byte_of_the_content(family: Family, content: str):
    rendered = chat(family.template).render(content)
    text = family.text(content)
    pieces = token_bytes(bytes_of(family.template), rendered.ids)
    assert rendered.text == text
    assert b"".join(pieces) == text.encode()

    inserted = family.inserted(content)
    before = family.before + inserted[: len(inserted) - len(inserted.lstrip())]
    first = token_of_byte(pieces, len(before.encode()))
    last = token_of_byte(pieces, len((family.before + inserted.rstrip()).encode()) - 1)
    assert rendered.content == (first, last + 1)
    assert rendered.t_inst == rendered.t_content == last
    assert rendered.t_post_inst == len(pieces) - 1
    assert rendered.inserted == ("verbatim" if inserted == content else "trimmed")
    shared = sum(map(len, pieces[: last + 1])) > len((family.before + inserted).encode())
    assert rendered.boundary == ("merged" if shared else "clean")


WITH_TOOLS = Family("tools", TOOLS, "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", trims=False)
every_family = pytest.mark.parametrize("family", [*FAMILIES, WITH_TOOLS], ids=lambda family: family.name)


def around(family: str, role: str, after_system: bool = False) -> tuple[str, str]:
    """What a family writes before and after a content, by hand."""
    match family, role:
        case "llama_2", "system":
            return "<s>[INST] <<SYS>>\n", "\n<</SYS>>\n\n"
        case "llama_2", "user":
            return "" if after_system else "<s>[INST] ", "[/INST]"
        case "llama_2", _:
            return " ", " </s>"
        case "llama_3", _:
            return f"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>"
        case "gemma", _:
            return f"<start_of_turn>{'model' if role == 'assistant' else role}\n", "<end_of_turn>\n"
        case _, "tool":
            return "<|im_start|>user\n<tool_response>\n", "\n</tool_response><|im_end|>\n"
        case _:
            return f"<|im_start|>{role}\n", "<|im_end|>\n"


def kept(family: Family, message: Message) -> str:
    """What a family makes of a content, by hand."""
    match family.name, message.role:
        case "thinking", "assistant":
            return message.content.rpartition("</think>")[2].lstrip("\n")
        case "llama_2", "system":
            return message.content
        case _:
            return family.inserted(message.content)


def written(
    family: Family, messages: Sequence[Message], thinking: bool | None = None
) -> list[tuple[int | None, str]]:
    """A prompt in pieces, by hand: the text, and which message it is of; None is the template itself."""
    beginning = {"llama_3": "<|begin_of_text|>", "gemma": "<bos>"}
    pieces: list[tuple[int | None, str]] = [(None, beginning.get(family.name, ""))]
    for number, message in enumerate(messages):
        before, after = around(
            family.name, message.role, number > 0 and messages[number - 1].role == "system"
        )
        pieces += [(None, before), (number, kept(family, message)), (None, after)]
    if messages[-1].role == "assistant":
        return pieces[:-1]
    thought = "<think>\n\n</think>\n\n" if thinking is False else "<think>\n"
    answer = "" if family.name == "llama_2" else around(family.name, "assistant")[0]
    return [*pieces, (None, answer + (thought if family.name == "thinking" else ""))]


def bytes_written_by(pieces: Sequence[tuple[int | None, str]], message: int) -> tuple[int, int]:
    """First and last byte of a message's content, outer white space apart."""
    place = next(place for place, (number, _) in enumerate(pieces) if number == message)
    content = pieces[place][1]
    start = len("".join(text for _, text in pieces[:place]).encode())
    lead = len(content[: len(content) - len(content.lstrip())].encode())
    return start + lead, start + len(content.rstrip().encode()) - 1


blanks = st.sampled_from(["", " ", "\n\n", "\u3000\t"])
fewer = settings(parent=examples, max_examples=40)


@st.composite
def conversations(draw: st.DrawFn, family: Family, last: st.SearchStrategy[str] = contents) -> list[Message]:
    """A system prompt or none, up to two earlier exchanges, each perhaps blank, and the user's last turn.

    After it a tool's result where the family has tools, and the beginning of an answer or nothing.
    """
    said = st.one_of(contents, blanks)
    begun = st.one_of(st.sampled_from(["", "<think>\n", "<think>\nLet me"]), said)
    messages: list[Message] = []
    if family.name != "gemma" and draw(st.booleans()):
        messages.append(Message("system", draw(said)))
    for _ in range(draw(st.integers(0, 2))):
        messages += [Message("user", draw(said)), Message("assistant", draw(said))]
    messages.append(Message("user", draw(last)))
    if family.name == "tools" and draw(st.booleans()):
        messages += [Message("assistant", draw(said)), Message("tool", draw(contents))]
    if draw(st.booleans()):
        # A thinking template cuts what is thought to its end, and what is cut cannot be continued.
        uncut = begun.filter(lambda text: family.name != "thinking" or "</think>" not in text)
        messages.append(Message("assistant", draw(uncut)))
    return messages


@every_family
@given(data=st.data(), thinking=st.sampled_from([None, True, False]))
@fewer
def test_positions_of_a_whole_conversation_are_where_its_bytes_are(
    family: Family, data: st.DataObject, thinking: bool | None
):
    messages = data.draw(conversations(family))
    thinking = thinking if family.name == "thinking" else None
    rendered = chat(family.template, thinking).render(messages)
    by_hand = written(family, messages, thinking)
    text = "".join(piece for _, piece in by_hand)
    pieces = token_bytes(bytes_of(family.template), rendered.ids)
    assert rendered.text == text
    assert b"".join(pieces) == text.encode()

    user = max(number for number, message in enumerate(messages) if message.role == "user")
    content = max(number for number, message in enumerate(messages) if message.role != "assistant")
    first, last = (token_of_byte(pieces, byte) for byte in bytes_written_by(by_hand, user))
    assert rendered.content == (first, last + 1)
    assert rendered.t_inst == last
    assert rendered.t_content == token_of_byte(pieces, bytes_written_by(by_hand, content)[1])
    assert rendered.t_post_inst == len(pieces) - 1


@every_family
@given(data=st.data())
@fewer
def test_only_the_template_writes_turn_markers_whatever_a_conversation_says(
    family: Family, data: st.DataObject
):
    messages = data.draw(conversations(family))
    tokenizer = bytes_of(family.template)
    ids = chat(family.template).render(messages).ids
    authors = [author for author, piece in written(family, messages) for _ in piece.encode()]
    ends = accumulate(map(len, token_bytes(tokenizer, ids)))
    for token, end in zip(tokenizer.convert_ids_to_tokens(ids), ends, strict=True):
        author = authors[end - 1]
        spoken = author is not None and messages[author].role == "assistant" and token in NOT_FLAGGED_SPECIAL
        assert token not in [*SPECIAL, *NOT_FLAGGED_SPECIAL] or author is None or spoken


@every_family
@given(data=st.data())
@fewer
def test_a_blank_last_turn_has_no_position_whatever_stands_before_it(family: Family, data: st.DataObject):
    with pytest.raises(PositionNotProved, match="blank"):
        chat(family.template).render(data.draw(conversations(family, blanks)))


@families
@given(context=contents, rest=contents)
@examples
def test_the_context_ends_before_the_token_that_writes_the_next_byte(family: Family, context: str, rest: str):
    context = context.lstrip()
    content = context + rest.rstrip()
    rendered = chat(family.template).render(content, context=context)
    pieces = token_bytes(bytes_of(family.template), rendered.ids)
    assert rendered.context_end == token_of_byte(pieces, len((family.before + context).encode()))


@families
def test_the_end_of_a_context_that_is_the_whole_content_is_where_the_template_goes_on(family: Family):
    rendered = chat(family.template).render("bake bread", context="bake bread")
    assert rendered.context_end == rendered.t_inst + 1


def test_a_token_shared_with_the_template_belongs_to_what_follows_the_context():
    rendered = chat(LLAMA_2).render("say it.", context="say it.")
    assert rendered.boundary == "merged"
    assert rendered.context_end == rendered.t_inst


@families
@given(content=contents)
@examples
def test_innocent_prompts_are_tokenised_as_transformers_does(family: Family, content: str):
    rendered = chat(family.template).render(content)
    tokenizer = bytes_of(family.template)
    if not rendered.inert:
        assert list(rendered.ids) == tokenizer(rendered.text, add_special_tokens=False)["input_ids"]


@families
def test_the_last_of_several_equal_turns_is_meant(family: Family):
    turns = [("user", "Name a colour"), ("assistant", "Blue."), ("user", "Name a colour")]
    rendered = chat(family.template).render([Message(*turn) for turn in turns])
    tokenizer = byte_level(family.template)
    assert rendered.text.endswith("Name a colour" + family.after)
    assert tokenizer.decode(rendered.ids[rendered.t_inst + 1 :]) == family.after
    assert tokenizer.decode(rendered.ids[slice(*rendered.content)]).strip() == "Name a colour"


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.name != "gemma"], ids=lambda family: family.name)
@pytest.mark.parametrize("system", ["You are terse.", " ", "Name a river", "[/INST] Name a river"])
def test_a_system_prompt_moves_the_positions_and_nothing_else(family: Family, system: str):
    alone = chat(family.template).render("Name a river")
    rendered = chat(family.template).render([Message("system", system), Message("user", "Name a river")])
    after = len(alone.ids) - alone.t_inst
    assert rendered.ids[-after:] == alone.ids[-after:]
    assert len(rendered.ids) - rendered.t_inst == after


def test_earlier_thinking_that_the_template_cuts_does_not_move_the_positions():
    turns = [
        {"role": "user", "content": "Name a colour"},
        {"role": "assistant", "content": "<think>\nEasy.\n</think>\n\nBlue."},
        {"role": "user", "content": "Name a colour"},
    ]
    rendered = chat(THINKING).render(turns)
    assert "Easy" not in rendered.text
    assert (
        byte_level(THINKING)
        .decode(rendered.ids[: rendered.t_inst + 1])
        .endswith("Blue.<|im_end|>\n<|im_start|>user\nName a colour")
    )


@pytest.mark.parametrize(
    ("thinking", "end"), [(None, "<think>\n"), (True, "<think>\n"), (False, "<think>\n\n</think>\n\n")]
)
def test_thinking_that_the_template_opens_lies_between_the_positions(thinking: bool | None, end: str):
    tokenizer = byte_level(THINKING)
    rendered = ChatTemplate(tokenizer, thinking=thinking).render("Name a river")
    assert rendered.text.endswith(end)
    assert (
        tokenizer.decode(rendered.ids[rendered.t_inst + 1 :]) == "<|im_end|>\n<|im_start|>assistant\n" + end
    )
    assert tokenizer.convert_tokens_to_ids("<think>") in rendered.ids[rendered.t_inst + 1 :]


def test_options_reach_the_template():
    closed = ChatTemplate(byte_level(CHATML), options={"add_generation_prompt": False}).render("Name a river")
    assert closed.text == "<|im_start|>user\nName a river<|im_end|>\n"


@families
@pytest.mark.parametrize("start", ["Sure, here", "", "Sure. ", "<think>\nLet me"])
def test_an_assistants_turn_is_left_open_where_it_ends(family: Family, start: str):
    rendered = chat(family.template).render([Message("user", "Name a river"), Message("assistant", start)])
    opened = family.after.removesuffix("<think>\n") + (" " if family.name == "llama_2" else "")
    assert rendered.text == family.before + "Name a river" + opened + family.inserted(start)
    tokenizer = byte_level(family.template)
    assert tokenizer.decode(rendered.ids) == rendered.text
    assert tokenizer.decode(rendered.ids[: rendered.t_inst + 1]).endswith("Name a river") or (
        rendered.boundary == "merged"
    )
    if "<think>" in start:
        assert tokenizer.convert_tokens_to_ids("<think>") in rendered.ids


def test_t_content_is_the_end_of_a_tool_result_that_follows_the_user():
    tokenizer = byte_level(TOOLS)
    rendered = ChatTemplate(tokenizer).render(
        [
            Message("user", "Name a river"),
            Message("assistant", "I look it up."),
            Message("tool", "The Elbe is a river."),
        ]
    )
    assert tokenizer.decode(rendered.ids[: rendered.t_inst + 1]).endswith("user\nName a river")
    assert tokenizer.decode(rendered.ids[: rendered.t_content + 1]).endswith("The Elbe is a river.")
    assert rendered.index("t_content") == rendered.t_content > rendered.index("t_inst") == rendered.t_inst
    assert rendered.index("t_post_inst") == rendered.t_post_inst == len(rendered.ids) - 1


def test_the_skeleton_is_rendered_once_for_many_prompts(monkeypatch: pytest.MonkeyPatch):
    fresh = ChatTemplate(byte_level(CHATML))
    calls: list[int] = []
    original = fresh._template.text
    monkeypatch.setattr(fresh._template, "text", lambda messages: calls.append(1) or original(messages))
    for number in range(50):
        fresh.render(f"Name {number} rivers")
    assert len(calls) == 51


def test_a_template_that_writes_the_date_is_told_one_and_the_same():
    dated = ChatTemplate(byte_level(DATED), date="2026-01-31")
    assert dated.date == "2026-01-31"
    assert "2026-01-31" in dated.render("Name a river").text
    later = dated.dated("2026-02-01")
    assert "2026-02-01" in later.render("Name a river").text
    assert dated.dated(None) is dated.dated("2026-01-31") is dated
    assert later.render("Name a river").t_inst == dated.render("Name a river").t_inst


def test_the_date_is_that_of_the_day_on_which_the_template_was_made(monkeypatch: pytest.MonkeyPatch):
    class Clock(datetime.date):
        number = 1

        @classmethod
        def today(cls):
            return cls(2026, 1, cls.number)

    monkeypatch.setattr("latentguard.lm.chat.chat_template.datetime.date", Clock)
    dated = ChatTemplate(byte_level(DATED))
    before = dated.render("Name a river").text
    Clock.number = 2
    assert dated.render("Name a river").text == before
    assert dated.date == "2026-01-01"
    assert ChatTemplate(byte_level(DATED)).date == "2026-01-02"


def test_a_date_beside_quotes_of_the_same_line_is_found():
    """What stands between two texts of a template is no text of it."""
    dated = "{% if messages[0].role == 'user' %}{{ strftime_now('%B %d, %Y') }}{% endif %}" + CHATML
    assert "January 31, 2026" in ChatTemplate(byte_level(dated), date="2026-01-31").render("Hi").text


def test_a_template_that_writes_no_date_has_none():
    plain = chat(CHATML)
    assert plain.date is None
    assert plain.dated("2026-01-31") is plain


def test_a_message_that_the_template_repeats_may_be_any_but_the_last_users():
    repeats_system = TWICE.replace(
        " / {{ message.content }}", "{% if message.role == 'system' %} / {{ message.content }}{% endif %}"
    )
    tokenizer = byte_level(repeats_system)
    rendered = ChatTemplate(tokenizer).render(
        [Message("system", "Be <|im_end|> brief."), Message("user", "Name a river")]
    )
    assert rendered.text.count("Be <|im_end|> brief.") == 2
    assert rendered.inert
    assert rendered.ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 2
    assert tokenizer.decode(rendered.ids[: rendered.t_inst + 1]).endswith("user\nName a river")


@pytest.mark.parametrize(
    "content", ["Name a river", " ﬁne ①", "e\u0301", "bake bread?\n", "面包 🍞", "<0x41>"]
)
@families
def test_blanks_written_as_underscores_do_not_move_the_positions(family: Family, content: str):
    tokenizer = sentencepiece_like(family.template)
    rendered = ChatTemplate(tokenizer).render(content)
    encoding = tokenizer(rendered.text, add_special_tokens=False, return_offsets_mapping=True)
    end = len(family.before) + len(family.inserted(content).rstrip())
    assert list(rendered.ids) == encoding["input_ids"]
    start, stop = encoding["offset_mapping"][rendered.t_inst]
    assert start < end
    assert stop >= end or "\u0301" in content
    assert all(start >= end for start, _ in encoding["offset_mapping"][rendered.t_inst + 1 :])
