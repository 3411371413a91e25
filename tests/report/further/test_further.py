"""What other commands found out about the audited model, on the audit's own page."""

import itertools
import json
import re
from pathlib import Path

import plotly.graph_objects as graph
import pytest

from latentguard.errors import ArtefactMismatch, BadData
from latentguard.report.further import FILES, Further, read_further, sections
from latentguard.report.page import page
from latentguard.report.schema import Audit
from tests.report.further.synthetic import records_of, synthetic_further
from tests.report.parsing import Page, parse


@pytest.fixture(scope="module")
def further(complete: Audit) -> Further:
    return synthetic_further(complete)


@pytest.fixture(scope="module")
def parsed(complete: Audit, further: Further) -> Page:
    return parse(page(complete, further))


@pytest.fixture
def written(further: Further, tmp_path: Path) -> Path:
    """Every result in its file."""
    for name, record in zip(FILES, records_of(further), strict=True):
        (tmp_path / name).write_text(record.model_dump_json())
    return tmp_path


def test_results_read_back_from_their_files_are_the_same(further, written, complete):
    assert read_further([written], complete.provenance.model) == further
    files = [written / name for name in FILES]
    assert read_further(files, complete.provenance.model) == further


def test_a_page_without_further_results_is_the_page_of_the_audit(complete):
    assert page(complete, Further()) == page(complete)


def test_every_result_has_a_section_a_link_and_its_file_named(parsed):
    ids = [one.attributes.get("id") for one in parsed.all("section")]
    for key in ("causal", "jailbreaks", "compare", "rivals", "ablations", "reproduction"):
        assert key in ids
    links = {one.attributes.get("href") for one in parsed.all("a")}
    assert {"#causal", "#jailbreaks", "#compare", "#rivals", "#ablations", "#reproduction"} <= links
    footer = next(one.text for one in parsed.all("footer"))
    assert all(name in footer for name in FILES)


def test_every_figure_is_plotly_that_it_draws_with_words_and_a_table(further):
    figures = [figure for one in sections(further) for figure in one.figures]
    assert len({figure.key for figure in figures}) == len(figures) == 10
    for figure in figures:
        plain = re.sub(r'"@[\w-]+(/[\d.]+)?"', '"#112233"', json.dumps(figure.specification))
        drawn = graph.Figure(json.loads(plain))
        assert len(drawn.data) > 0
        assert len(figure.label) > 40
        assert all(len(row) == len(figure.table.headers) for row in figure.table.rows)


def test_the_heat_map_holds_every_direction_and_block_and_its_table_says_the_same(further):
    (section,) = [one for one in sections(further) if one.key == "causal"]
    heat = section.figures[0]
    (trace,) = heat.specification["data"]
    assert trace["y"] == ["+v_harm", "+v_refuse", "−v_harm", "−v_refuse"]
    assert [list(one.turned) for one in further.causal.experiments[0].curves] == trace["z"]
    assert len(heat.table.rows) == 4
    assert len(heat.table.headers) == 25


def test_only_attacks_that_succeed_are_arrows(further):
    (section,) = [one for one in sections(further) if one.key == "jailbreaks"]
    succeeded = [one for one in further.jailbreaks.prompts if one.succeeded]
    assert len(section.figures[0].specification["data"]) == len(succeeded) == 32
    assert len(section.figures[0].table.rows) == 32


def test_what_could_not_be_measured_says_why(parsed):
    text = " ".join(parsed.visible)
    for why in ("it refuses 3 of 25", "nothing was refused", "on the organism alone"):
        assert why in text


def test_every_number_of_a_section_is_in_its_file(further):
    """Up to the rounding of the page: no cell of a table holds a number that its result does not."""
    for section, record in zip(sections(further), records_of(further), strict=True):
        known = json.dumps(record.model_dump(mode="json"))
        numbers = [abs(float(one)) for one in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", known)]
        shown = {f"{one:.{digits}f}" for one in numbers for digits in (0, 2, 3)} | {
            f"{one * 100:.0f}" for one in numbers
        }
        cells = [cell for one in section.listings for row in one.rows for cell in row]
        cells += [cell for one in section.figures for row in one.table.rows for cell in row[1:]]
        found = {digits for cell in cells for digits in re.findall(r"\d+(?:\.\d+)?", cell)}
        assert len(found) > 5
        assert found <= shown, section.key


def test_hostile_names_make_no_element_of_their_own(parsed):
    assert "img" not in {one.tag for one in parsed.elements}
    assert len(parsed.all("script")) == 4
    assert not any("\x1b" in text or "\u202e" in text for text in parsed.visible)


def test_headings_go_down_one_step_at_a_time(parsed):
    levels = [int(one.tag[1]) for one in parsed.elements if re.fullmatch(r"h[1-6]", one.tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_result_about_another_model_is_refused(written, complete):
    other = complete.provenance.model.model_copy(update={"fingerprint": "f" * 64, "name": "acme/other"})
    for name in FILES:
        with pytest.raises(ArtefactMismatch, match="is about another model than the audit"):
            read_further([written / name], other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "causal.json").write_text("{"), "is damaged, or another version wrote it"),
        (lambda folder: (folder / "causal.json").write_text('{"format": "x"}'), "is damaged"),
        (lambda folder: [(folder / name).unlink() for name in FILES], "holds none of the result files"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(written, complete, change, said):
    change(written)
    with pytest.raises(BadData, match=said):
        read_further([written], complete.provenance.model)


def test_two_of_a_kind_and_unknown_files_are_refused(written, complete, tmp_path):
    model = complete.provenance.model
    with pytest.raises(BadData, match="one of a kind"):
        read_further([written, written / "causal.json"], model)
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(BadData, match="none of the result files"):
        read_further([tmp_path / "notes.json"], model)
