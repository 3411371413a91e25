"""An audit in a notebook: numbers as a frame, and a small table that shows hostile text as text."""

from tests.report.parsing import parse
from tests.report.synthetic import HOSTILE


def test_the_frame_has_one_row_a_reading_with_its_intervals(complete):
    frame = complete.to_frame()
    assert list(frame["key"]) == [row.key for row in complete.guard.rows]
    tfidf = next(row for row in complete.guard.rows if row.key == "tfidf")
    row = frame.set_index("key").loc["tfidf"]
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == (
        tfidf.auroc.value,
        tfidf.auroc.low,
        tfidf.auroc.high,
    )
    assert row["guard_minus_this_low"] == tfidf.guard_minus_this.low
    assert "curve" not in frame


def test_an_unavailable_reading_is_called_so(bare):
    assert "fewer than 10 prompts" in bare._repr_html_()
    assert list(bare.to_frame()["unavailable"].notna()) == [False, True]


def test_the_table_is_small_and_answers_the_three_questions(complete):
    html = complete._repr_html_()
    text = parse(html).visible_text
    for finding in complete.findings:
        assert finding.answer in text
        assert finding.evidence in text
    assert complete.guard.sentence in text
    assert len(html) < 6000


def test_hostile_text_stays_text(complete):
    poison = "".join(HOSTILE)
    html = complete.model_copy(update={"title": poison, "limits_line": poison})._repr_html_()
    tags = {element.tag for element in parse(html).elements}
    assert tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in html
