"""Results go to standard output, everything else does not, and no prompt can act on a terminal."""

import io
import json
import time

import pytest
from rich.console import Console

from latentguard.cli._bars import Bars
from latentguard.cli._output import shown, speaking, table

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img onerror=alert(1)>",
    "[/red][link=x]y",
    "\x1b[2J\x1b]0;t\x07",
    "a\u202eb\x9b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_prompt_is_inert_in_a_table_a_line_and_json(text, capsys):
    with speaking(as_json=False) as output:
        rows = table("prompt")
        rows.add_row(shown(text))
        output.show(rows)
        output.note(text)
    with speaking(as_json=True) as output:
        output.record({"prompt": text})
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert not set(printed) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert json.loads(captured.out.splitlines()[-1]) == {"prompt": text}
    if "[" in text:
        assert text.replace("\x1b", "\\x1b").replace("\x07", "\\x07")[:8] in captured.out


def test_json_is_all_that_reaches_standard_output_whatever_a_library_prints(capsys):
    with speaking(as_json=True) as output:
        print("a library talks")
        output.show("for people")
        output.note("a note")
        output.record({"n": 1})
    captured = capsys.readouterr()
    assert captured.out == '{"n": 1}\n'
    assert "a library talks" in captured.err
    assert "a note" in captured.err
    assert "for people" not in captured.out + captured.err


def test_a_number_that_json_has_not_is_refused():
    with pytest.raises(ValueError, match="JSON"), speaking(as_json=True) as output:
        output.record({"n": float("nan")})


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def drawn(console, patience, wait):
    with Bars(console, patience=patience) as bars:
        bars("reading", 1, 10)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and "reading" not in console.file.getvalue():
            bars("reading", 2, 10)
    return console.file.getvalue()


def test_a_bar_appears_on_a_terminal_once_patience_is_over(terminal):
    assert "reading" in drawn(terminal, patience=0.01, wait=5.0)


def test_quick_work_draws_nothing(terminal):
    assert drawn(terminal, patience=60.0, wait=0.05) == ""


def test_nothing_is_drawn_where_there_is_no_terminal():
    assert drawn(Console(file=io.StringIO(), width=100), patience=0.0, wait=0.05) == ""


def test_long_work_says_in_a_log_how_far_it_is_at_most_once_in_a_while():
    log = Console(file=io.StringIO(), width=100)
    with Bars(log, every=0.0) as bars:
        bars("reading [all] prompts", 3, 10)
        bars("planning", 0, 0)
    assert log.file.getvalue().splitlines() == ["0 min  reading [all] prompts: 3 of 10", "0 min  planning"]


def test_every_step_is_told_whether_a_bar_is_drawn_or_not():
    steps: list[str] = []
    bars = Bars(Console(file=io.StringIO()), each_step=lambda: steps.append("step"))
    with bars:
        for done in range(3):
            bars("work", done, 2)
    assert steps == ["step"] * 3
