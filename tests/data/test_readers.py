"""Prompts from files and datasets: what is read, and how a bad row is named."""

import csv
import json

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from latentguard.data import Prompt, read_prompts
from latentguard.errors import BadData
from latentguard.lm.chat import Message

FULL = {
    "prompt": "How do I bake bread?",
    "label": "harmless",
    "category": "food",
    "attack": None,
    "id": "a/1",
    "source": "kitchen",
    "lang": "en",
    "base_id": "a/0",
    "unknown": 3,
}
EXPECTED = Prompt.of(
    FULL["prompt"], label="harmless", category="food", id="a/1", source="kitchen", lang="en", base_id="a/0"
)
TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
]


def write_rows(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


def error_of(path, **options):
    with pytest.raises(BadData) as caught:
        read_prompts(path, **options)
    return str(caught.value)


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_field_is_read_from_every_format(tmp_path, extension):
    path = write_rows(
        tmp_path / f"rows{extension}", [FULL, {**FULL, "prompt": 'two\nlines, "quoted"', "id": "a/2"}]
    )
    first, second = read_prompts(path)
    assert first == EXPECTED
    assert second.text == 'two\nlines, "quoted"'


@pytest.mark.parametrize("extension", [".jsonl", ".parquet", ".csv"])
def test_conversations_are_read_from_every_format(tmp_path, extension):
    cell = json.dumps(TURNS) if extension == ".csv" else TURNS
    (prompt,) = read_prompts(write_rows(tmp_path / f"rows{extension}", [{"messages": cell}]))
    assert prompt.messages == (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye"))
    assert prompt.source == "rows"


@pytest.mark.parametrize("extension", [".jsonl", ".parquet", ".csv"])
def test_tool_calls_are_read_from_every_format(tmp_path, extension):
    """A columnar file gives every message and every call the fields of all, as nulls."""
    calls = [
        {"type": "function", "function": {"name": "weather", "arguments": {"town": "Bonn"}}},
        {"type": "function", "function": {"name": "time", "arguments": {"zone": "CET"}}},
    ]
    turns = [
        {"role": "user", "content": "Weather and time?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "Rain.", "tool_call_id": "1"},
    ]
    cell = json.dumps(turns) if extension == ".csv" else turns
    (prompt,) = read_prompts(write_rows(tmp_path / f"rows{extension}", [{"messages": cell}]))
    assert prompt.text == "Weather and time?"
    assert prompt.messages[1].extras == {"tool_calls": calls}
    assert prompt.messages[2].extras == {"tool_call_id": "1"}


@pytest.mark.parametrize("extension", [".jsonl", ".parquet", ".csv"])
def test_tools_are_declared_in_a_column_of_their_own(tmp_path, extension):
    tools = [
        {"type": "function", "function": {"name": "weather", "parameters": {"town": {"type": "string"}}}},
        {"type": "function", "function": {"name": "time", "parameters": {"zone": {"type": "string"}}}},
    ]
    row = {"messages": TURNS, "tools": tools}
    cells = {name: json.dumps(value) for name, value in row.items()} if extension == ".csv" else row
    (prompt,) = read_prompts(write_rows(tmp_path / f"rows{extension}", [cells]))
    assert [message.tools for message in prompt.messages] == [tools, [], []]


def test_beside_a_plain_prompt_a_column_of_tools_is_left_alone(tmp_path):
    (prompt,) = read_prompts(
        write_rows(tmp_path / "rows.csv", [{"prompt": "Mend it", "tools": "hammer, saw"}])
    )
    assert prompt.messages == (Message("user", "Mend it"),)


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ("hammer", "'tools' is a text that is no JSON list"),
        ([{"function": {}}], "message 1 names no function"),
        ([3], "message 1 names no function"),
    ],
)
def test_tools_that_are_none_are_named_with_their_line(tmp_path, tools, said):
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": TURNS, "tools": tools}])
    with pytest.raises(BadData, match=f"line 1: .*{said}"):
        read_prompts(path)


@pytest.mark.parametrize("extension", [".jsonl", ".csv"])
def test_a_null_argument_of_a_call_is_kept_where_the_file_says_it(tmp_path, extension):
    calls = [{"type": "function", "function": {"name": "book", "arguments": {"seat": None, "days": [None]}}}]
    turns = [
        {"role": "user", "content": "Any seat."},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    cell = json.dumps(turns) if extension == ".csv" else turns
    (prompt,) = read_prompts(write_rows(tmp_path / f"rows{extension}", [{"messages": cell}]))
    assert prompt.messages[1].extras == {"tool_calls": calls}


def test_plain_text_is_one_prompt_a_line(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_bytes("\ufeffBake bread\r\n\r\n  Bake 🍞 cake  \r\nlast".encode())
    assert [prompt.text for prompt in read_prompts(path, label="harmless")] == [
        "Bake bread",
        "Bake 🍞 cake",
        "last",
    ]


@pytest.mark.parametrize("extension", ["jsonl", "csv"])
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path, extension):
    text = {"jsonl": '{"prompt": "é"}\r\n\r\n{"prompt": "b"}\r\n', "csv": "prompt\r\né\r\nb\r\n"}[extension]
    path = tmp_path / f"rows.{extension}"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [prompt.text for prompt in read_prompts(path)] == ["é", "b"]


def test_columns_can_be_named(tmp_path):
    path = write_rows(
        tmp_path / "rows.csv", [{"question": "Bake?", "verdict": "Harmful ", "prompt": "other"}]
    )
    (prompt,) = read_prompts(path, prompt_column="question", label_column="verdict")
    assert (prompt.text, prompt.label) == ("Bake?", "harmful")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(min_size=1).filter(lambda text: text.strip()), min_size=1, max_size=5))
def test_any_text_survives_json_lines(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": text}, ensure_ascii=False) + "\n" for text in texts),
        "utf-8",
        newline="",
    )
    assert [prompt.text for prompt in read_prompts(path)] == texts


def test_the_callers_label_fills_gaps_and_a_conflict_is_named(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"prompt": "a"}, {"prompt": "b", "label": "harmful"}])
    assert [prompt.label for prompt in read_prompts(path)] == [None, "harmful"]
    assert [prompt.label for prompt in read_prompts(path, label="harmful")] == ["harmful", "harmful"]
    message = error_of(path, label="harmless")
    assert "rows.jsonl, line 2" in message
    assert "'harmful'" in message
    assert "harmless" in message


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt": \n', ["a.jsonl, line 2", "bad JSON at column"]),
        ("a.jsonl", b'["x"]\n', ["line 1", "no JSON object"]),
        ("a.jsonl", b'{"prompt": 3}\n', ["line 1", "'prompt' is a number"]),
        ("a.jsonl", b'{"prompt": null}\n', ["line 1", "the prompt is null"]),
        ("a.jsonl", b'{"prompt": "  "}\n', ["line 1", "the prompt is empty"]),
        (
            "a.jsonl",
            b'{"text": "x"}\n',
            ["line 1", "no column 'prompt' or 'messages'", "text", "--prompt-column"],
        ),
        ("a.jsonl", b'{"prompt": "x", "label": "bad"}\n', ["line 1", "'bad'", "'harmful' or 'harmless'"]),
        ("a.jsonl", b'{"prompt": "x", "label": 1}\n', ["line 1", "label is 1"]),
        ("a.jsonl", b'{"prompt": "x", "category": ["y"]}\n', ["line 1", "'category'"]),
        ("a.jsonl", b'{"messages": []}\n', ["line 1", "empty conversation"]),
        ("a.jsonl", b'{"messages": [{"role": "user"}]}\n', ["line 1", "message 1"]),
        ("a.jsonl", b'{"messages": ["x"]}\n', ["line 1", "message 1"]),
        (
            "a.jsonl",
            b'{"messages": [{"role": "user", "content": [{"type": "image"}]}]}\n',
            ["line 1", "'content' of message 1 is a list"],
        ),
        ("a.jsonl", b'{"messages": [{"role": "system", "content": "x"}]}\n', ["line 1", "no user message"]),
        ("a.jsonl", b'{"prompt": "\\ud800"}\n', ["line 1", "surrogate"]),
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt": "caf\xe9"}\n', ["line 2", "byte 31", "0xe9", "UTF-8"]),
        ("a.jsonl", "prompt".encode("utf-16"), ["line 1", "UTF-16"]),
        ("a.jsonl", b"[" * 200_000, ["line 1", "nested too deeply"]),
        ("a.jsonl", b'{"prompt": "x"}\n{"id": %s}\n' % (b"9" * 5000), ["line 2", "too many digits"]),
        ("a.csv", b"messages\n[%s]\n" % (b"9" * 5000), ["line 2", "no JSON list"]),
        ("a.jsonl", b"\n \n", ["holds no prompts"]),
        ("a.csv", b"", ["holds no prompts"]),
        ("a.csv", b"prompt\n", ["holds no prompts"]),
        ("a.csv", b"text,label\nx,harmful\n", ["line 1", "text, label"]),
        ("a.csv", b"prompt,label\nx\n", ["line 2", "1 cells", "header 2"]),
        ("a.csv", b'prompt\n"two\nlines"\nx,y\n', ["line 4", "2 cells"]),
        ("a.csv", b'prompt\n"never closed\n', ["line 2", "no well-formed table"]),
        ("a.csv", b"messages\nhello\n", ["line 2", "no JSON list"]),
        ("a.txt", b"", ["holds no prompts"]),
        ("a.txt", b"ok\n\xff\n", ["line 2", "byte 3"]),
        ("a.parquet", b"not parquet", ["a.parquet", "Parquet"]),
        ("a.docx", b"x", ["'.docx'", ".jsonl"]),
        ("a", b"x", ["no extension"]),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_a_way_out(tmp_path, name, content, parts):
    path = tmp_path / name
    path.write_bytes(content)
    message = error_of(path)
    for part in parts:
        assert part in message


def test_a_damaged_parquet_file_is_named(tmp_path):
    path = write_rows(tmp_path / "rows.parquet", [{"prompt": f"Bake loaf {n}"} for n in range(500)])
    whole = path.read_bytes()
    for damaged in (whole[:-1000] + whole[-900:], whole[:4] + bytes(2000) + whole[2004:]):
        path.write_bytes(damaged)
        message = error_of(path)
        assert "rows.parquet" in message
        assert "no readable Parquet file" in message


def test_a_parquet_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(parquet, "ParquetFile", refuse)
    message = error_of(write_rows(tmp_path / "rows.parquet", [{"prompt": "x"}]))
    assert "no permission" in message


def test_a_parquet_text_that_is_not_utf8_is_named_with_its_row(tmp_path):
    texts = pyarrow.array([b"a", b"b", b"c", b"caf\xe9", b"e"], type=pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"prompt": texts}), tmp_path / "rows.parquet", row_group_size=2)
    message = error_of(tmp_path / "rows.parquet")
    for part in ("rows.parquet, row 4", "UTF-8", "0xe9", "caf"):
        assert part in message


def test_a_missing_column_of_a_parquet_file_is_named(tmp_path):
    path = write_rows(tmp_path / "rows.parquet", [{"prompt": "x"}])
    assert "no column 'verdict'" in error_of(path, label_column="verdict")


@pytest.mark.parametrize("name", ["gone.jsonl", "some/gone.csv", "/nowhere/at/all", "./gone"])
def test_a_missing_file_is_named(name):
    message = error_of(name)
    assert "no file" in message
    assert name in message


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 300 + ".jsonl", "no/" * 2000 + "x.csv", "~nobody-here/x.jsonl"]
)
def test_what_no_file_can_be_called_is_refused(name):
    message = error_of(name)
    assert "there is no file" in message or "an empty name" in message
    assert "owner/name" in message


def test_labels_that_are_not_wanted_are_left_alone(tmp_path):
    for extension in (".jsonl", ".csv", ".parquet"):
        path = write_rows(tmp_path / f"rows{extension}", [{"prompt": "a", "label": "7 of 9"}])
        assert [prompt.label for prompt in read_prompts(path, with_labels=False)] == [None]
        assert "label" in error_of(path)


def test_hostile_text_in_an_error_is_inert(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "x", "label": "\\u001b[31m"}\n')
    assert "\x1b" not in error_of(path)


def test_a_long_cell_is_read_and_the_csv_limit_is_put_back(tmp_path):
    limit = csv.field_size_limit()
    path = write_rows(tmp_path / "rows.csv", [{"prompt": "bread " * 50_000}])
    assert len(read_prompts(path)[0].text) == 300_000
    assert csv.field_size_limit() == limit


@pytest.mark.shared
def test_every_shared_prompt_file_is_read(shared):
    paths = [path for path in sorted((shared / "data").glob("*.jsonl")) if path.stem != "completions"]
    assert sum(len(read_prompts(path)) for path in paths) == 23_366
