import io

import pytest
from rich.console import Console

from latentguard.report.summary import summary


def _printed(audit, *, width: int = 100) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None).print(summary(audit))
    return stream.getvalue()


def test_the_summary_answers_the_three_questions_with_their_evidence(complete):
    printed = " ".join(_printed(complete, width=400).split())
    for finding in complete.findings:
        assert finding.answer in printed
        assert finding.evidence in printed
    assert "0.91" in printed
    assert complete.limits_line in printed


def test_markup_and_escapes_in_names_are_printed_as_text(complete):
    hostile = "[/red][bold]x[/bold]\x1b[2J"
    model = complete.provenance.model.model_copy(update={"quantisation": hostile})
    changed = complete.model_copy(
        update={
            "title": hostile,
            "limits_line": hostile,
            "provenance": complete.provenance.model_copy(update={"model": model}),
        }
    )
    printed = _printed(changed)
    assert printed.count("[/red][bold]x[/bold]\\x1b[2J") == 3
    assert "\x1b" not in printed


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_summary_fits_the_terminal(complete, bare, width):
    for audit in (complete, bare):
        assert max(len(line) for line in _printed(audit, width=width).splitlines()) <= width


def test_what_is_unavailable_is_called_so(bare):
    assert "unavailable" in _printed(bare)
