"""Thirteen real tokenizers and templates: every recorded position, found by other means than ours, is met.

Two cases put the template's own markers into the content. There the record has the control tokens that a
plain tokenizer makes of them; ours must have none, and still end the instruction at the content's end.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from latentguard.errors import PositionNotProved, TemplateError
from latentguard.lm.chat import ChatTemplate
from tests.lm.templates import byte_level
from tests.lm.transcripts import DOCUMENT, QUESTION, declaring, transcript

pytestmark = pytest.mark.shared

FOLDERS = [
    "deepseek-r1-distill-qwen-subset",
    "gemma-2-it-subset",
    "glm-4-9b-chat-subset",
    "gpt-oss-subset",
    "llama-2-chat",
    "llama-3.1-instruct",
    "mistral-7b-instruct-v0.2",
    "mistral-7b-instruct-v0.3",
    "phi-3-mini-instruct",
    "qwen2.5-instruct",
    "qwen3",
    "smollm2-instruct",
    "tinyllama-1.1b-chat",
]
LONG = " ".join(["Please explain step by step how a small river slowly carves a deep stone valley."] * 20)
Record = Mapping[str, Any]


@pytest.fixture(scope="module")
def tokenizers(shared: Path) -> Path:
    folder = shared / "tokenizers"
    if not folder.is_dir():
        pytest.skip("no folder of shared tokenizers (set LATENTGUARD_SHARED)")
    return folder


@cache
def records(tokenizers: Path) -> list[Record]:
    lines = (tokenizers / "positions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def tokenizer_of(folder: Path):
    return AutoTokenizer.from_pretrained(folder)


@cache
def chat(folder: Path, options: str) -> ChatTemplate:
    return ChatTemplate(tokenizer_of(folder), options=json.loads(options), date="2025-06-30")


def render(tokenizers: Path, record: Record):
    template = chat(tokenizers / record["folder"], json.dumps(record["kwargs"], sort_keys=True))
    messages = [{"role": "user", "content": LONG}] if record["case"] == "long_300w" else record["messages"]
    return template.render(messages)


def test_every_record_belongs_to_a_tokenizer_that_is_tested(tokenizers: Path):
    assert {record["folder"] for record in records(tokenizers)} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_positions_and_ids_are_met(tokenizers: Path, folder: str):
    met = 0
    for record in records(tokenizers):
        if record["folder"] != folder or record.get("t_inst") is None:
            continue
        rendered = render(tokenizers, record)
        if rendered.inert:
            assert record["case"] in {"special_mid", "special_end"}
            continue
        expected = (record["t_inst_first"], record["t_inst"], record["t_post"], record["inserted_as"])
        found = (rendered.content[0], rendered.t_inst, rendered.t_post_inst, rendered.inserted)
        assert found == expected, record["case"]
        if "ids" in record and record["inserted_as"] == "verbatim":
            content = record["messages"][-1]["content"]
            own_blanks = len(content) - len(content.rstrip())
            merged = len(record.get("overhang", "")) > own_blanks
            assert rendered.boundary == ("merged" if merged else "clean"), record["case"]
        if "ids" in record:
            assert list(rendered.ids) == record["ids"], record["case"]
            assert rendered.text == record["rendered"], record["case"]
        else:
            assert list(rendered.ids[-12:]) == record["ids_last12"]
        met += 1
    assert met >= 18


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_has_no_position_is_refused(tokenizers: Path, folder: str):
    refused = [r for r in records(tokenizers) if r["folder"] == folder and r.get("t_inst") is None]
    assert refused
    for record in refused:
        with pytest.raises(TemplateError if "error" in record else PositionNotProved):
            render(tokenizers, record)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_templates_own_markers_in_the_content_are_text(tokenizers: Path, folder: str):
    tokenizer = tokenizer_of(tokenizers / folder)
    special = set(tokenizer.all_special_ids) | {
        token for token, added in tokenizer.added_tokens_decoder.items() if added.special
    }
    for record in records(tokenizers):
        if record["folder"] != folder or record["case"] not in {"special_mid", "special_end"}:
            continue
        rendered = render(tokenizers, record)
        content = record["messages"][-1]["content"]
        first, stop = rendered.content
        assert special.isdisjoint(rendered.ids[first:stop])
        decoded = tokenizer.decode(list(rendered.ids[first:stop]))
        assert "".join(content.split()) in "".join(decoded.split())
        shorter = tokenizer.decode(list(rendered.ids[first : stop - 1]))
        assert "".join(content.split()) not in "".join(shorter.split())


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_prompt_begins_with_two_of_the_same_token(tokenizers: Path, folder: str):
    rendered = chat(tokenizers / folder, "{}").render("Name a river")
    assert rendered.ids[0] != rendered.ids[1]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_hash_survives_saving_and_loading_where_the_ids_do(tokenizers: Path, folder: str, tmp_path: Path):
    # transformers 5.23 loads what it saved of Mistral v0.2 with other blanks: "[INST]" then splits otherwise.
    before = chat(tokenizers / folder, "{}")
    tokenizer_of(tokenizers / folder).save_pretrained(tmp_path)
    after = ChatTemplate(AutoTokenizer.from_pretrained(tmp_path), date="2025-06-30")
    same_ids = after.render("Name a river").ids == before.render("Name a river").ids
    assert same_ids == (after.tokenizer_hash == before.tokenizer_hash)


TAKE_TOOLS = [
    "glm-4-9b-chat-subset",
    "llama-3.1-instruct",
    "mistral-7b-instruct-v0.3",
    "qwen2.5-instruct",
    "qwen3",
]


@pytest.mark.parametrize("folder", TAKE_TOOLS)
@pytest.mark.parametrize("declared", [False, True])
def test_an_agents_transcript_has_its_positions(tokenizers: Path, folder: str, declared: bool):
    conversation = declaring() if declared else transcript()
    rendered = chat(tokenizers / folder, "{}").render(conversation)
    assert ("The weather of a town." in rendered.text) == declared
    decode = tokenizer_of(tokenizers / folder).decode
    for position, words in (("t_inst", QUESTION), ("t_content", DOCUMENT)):
        end = rendered.index(position)
        assert words in decode(list(rendered.ids[: end + 1])), position
        assert words not in decode(list(rendered.ids[:end])), position
    passages = chat(tokenizers / folder, "{}").passages(conversation, every=50)
    assert "".join(one.text for one in passages if one.role == "tool") == DOCUMENT
    assert {one.stop - 1 for one in passages} >= {rendered.t_inst, rendered.t_content}


def test_templates_without_a_vocabulary_are_told_apart_from_what_they_wrap(tokenizers: Path):
    """Eighteen more templates, in a vocabulary made here: what stands around the content is as recorded."""
    folder = tokenizers / "templates-only"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    assert len(index) >= 18
    for known in index:
        tokenizer = byte_level((folder / known["file"]).read_text(encoding="utf-8"))
        tokenizer.add_special_tokens({"bos_token": known["bos_token"]} if known["bos_token"] else {})
        tokenizer.add_special_tokens({"eos_token": known["eos_token"]})
        template = ChatTemplate(tokenizer, date="2025-06-30")
        for content in ("How do I bake bread?", "  面包 🍞 \n"):
            rendered = template.render(content)
            inside = content.strip() if known["content"] == "trimmed" else content
            name = f"{known['name']}: {rendered.text!r}"
            assert rendered.text.endswith(inside + known["suffix"]), name
            if not known["date_dependent"]:
                assert rendered.text == known["prefix"] + inside + known["suffix"], name
            first, stop = rendered.content
            assert rendered.t_inst == stop - 1
            assert inside.strip() in tokenizer.decode(list(rendered.ids[first:stop])), name
