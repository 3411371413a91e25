"""A user's mistake is one clear message; a bug shows its traceback; each has its own exit code."""

import pytest

from latentguard.cli._errors import exit_code_of
from latentguard.errors import BadData, PositionNotProved


def ends(error):
    def call():
        raise error

    return exit_code_of(call)


@pytest.mark.parametrize(
    "error", [BadData("a.jsonl:3: not JSON"), PositionNotProved("of 'm'\n  content : 'x'")]
)
def test_a_named_error_is_its_message_without_a_traceback(error, capsys):
    assert ends(error) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{type(error).__name__}: ")
    assert str(error) in captured.err
    assert "Traceback" not in captured.err


def test_a_bug_shows_its_traceback_and_asks_for_a_report(capsys):
    assert ends(ZeroDivisionError("by \x1b[31mzero")) == 70
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "by \\x1b[31mzero" in shown
    assert "latentguard doctor" in shown


def test_an_interruption_exits_130(capsys):
    assert ends(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_hostile_text_in_an_error_is_inert(capsys):
    ends(BadData("bad prompt '[/red]\x1b]0;title\x07 \u202e'"))
    shown = capsys.readouterr().err
    assert "[/red]" in shown
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}
