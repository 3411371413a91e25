import base64
import hashlib
import itertools
import json
import re

import pytest

from latentguard._text import inert
from latentguard.guard import METHODS
from latentguard.report.guard_record import SCORES
from latentguard.report.page import page, read_audit, script_json, write_report
from latentguard.report.schema import Audit
from latentguard.report.words import ENDINGS_MEANINGS, number, percent
from tests.report.parsing import Page, parse
from tests.report.synthetic import HOSTILE, synthetic_audit

EXPECTED_TAGS = {
    *("html", "head", "meta", "title", "link", "style", "body", "script", "header", "main", "footer", "nav"),
    *(
        "section",
        "div",
        "span",
        "p",
        "b",
        "i",
        "u",
        "em",
        "strong",
        "a",
        "br",
        "h1",
        "h2",
        "h3",
        "dfn",
        "code",
    ),
    *("time", "data", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "figure", "figcaption"),
    *("details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "path", "circle"),
}


@pytest.fixture(scope="module")
def html(complete: Audit) -> str:
    return page(complete)


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return parse(html)


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for child in value.values() for leaf in _leaves(child)] + list(value)
    if isinstance(value, list):
        return [leaf for child in value for leaf in _leaves(child)]
    return [value]


def test_an_audit_read_back_from_json_makes_the_same_page(complete, tmp_path, html):
    html_path, json_path = write_report(complete, tmp_path / "new" / "folder")
    again = read_audit(json_path)
    assert again == complete
    assert page(again) == html == html_path.read_text(encoding="utf-8")
    assert read_audit(tmp_path / "new" / "folder") == complete


def test_audit_json_is_plain_json_without_nan(complete, bare):
    for audit in (complete, bare):
        json.loads(audit.model_dump_json(), parse_constant=lambda name: pytest.fail(name))


def test_an_unknown_field_or_version_is_refused(complete):
    raw = json.loads(complete.model_dump_json())
    for change in ({"schema_version": 1}, {"surprise": 1}):
        with pytest.raises(ValueError, match=r"schema_version|surprise"):
            Audit.model_validate(raw | change)


def test_a_failed_write_leaves_nothing_behind(complete, tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", _no_space)
    with pytest.raises(OSError, match="No space"):
        write_report(complete, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _no_space(*_: object) -> None:
    raise OSError("No space left on device")


def test_hostile_prompts_make_no_element_of_their_own(parsed):
    assert {element.tag for element in parsed.elements} <= EXPECTED_TAGS
    assert len(parsed.all("script")) == 4
    names = {name for element in parsed.elements for name in element.attributes}
    assert not {name for name in names if name.startswith("on")}


def test_hostile_prompts_are_shown_as_the_text_they_are(parsed):
    for prompt in HOSTILE:
        assert inert(prompt) in parsed.visible_text


def test_no_control_or_direction_character_reaches_the_page(html):
    script = re.compile(r"<script>.*?</script>", re.DOTALL)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", script.sub("", html)
    )


def test_hostile_text_in_every_field_stays_text(complete):
    raw = json.loads(complete.model_dump_json())
    poison = '"><script>alert(1)</script>{{ 7*7 }}'
    raw["title"] = raw["limits_line"] = poison
    raw["limits"] = [poison]
    raw["provenance"]["command"] = raw["provenance"]["model"]["name"] = raw["provenance"]["data_name"] = (
        poison
    )
    raw["provenance"]["notes"] = [poison]
    raw["behaviour"]["groups"][0]["name"] = poison
    raw["guard"]["rows"][1]["name"] = raw["guard"]["groups"][0]["name"] = poison
    raw["template"]["tokens"][0]["text"] = poison
    for point in raw["plane"]:
        point["source"] = point["attack"] = point["category"] = poison
    parsed = parse(page(Audit.model_validate(raw)))
    assert len(parsed.all("script")) == 4
    assert "49" not in {element.text for element in parsed.all("title", "h1")}
    assert parsed.all("h1")[0].text == poison


def test_the_page_asks_for_nothing_outside_itself(parsed):
    for element in parsed.elements:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            target = element.attributes.get(name)
            assert target is None or target.startswith(("#", "data:")), (element.tag, target)
    style = parsed.all("style")[0].text
    assert "@import" not in style
    assert "url(" not in style


def test_the_policy_allows_the_two_scripts_of_the_page_and_no_other(html, parsed):
    policy = next(
        element.attributes["content"] or ""
        for element in parsed.all("meta")
        if element.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    assert digests == set(re.findall(r"'sha256-([^']+)'", policy))
    assert len(digests) == 2


def test_plotly_is_inlined_once(html):
    assert html.count("Plotly, Inc") == 1


def test_json_inside_a_script_element_cannot_close_it():
    shown = script_json({"</script>": "<!-- & ]]> \u2028"})
    assert not set("<>&\u2028") & set(shown)
    assert json.loads(shown) == {"</script>": "<!-- & ]]> \u2028"}


def test_every_number_on_the_page_is_in_audit_json(complete, parsed):
    leaves = _leaves(json.loads(complete.model_dump_json()))
    numbers = {leaf for leaf in leaves if isinstance(leaf, int | float)}
    for element in parsed.all("data"):
        value = float(element.attributes["value"] or "nan")
        assert value in numbers, element
        rounded = {number(value, digits) for digits in range(5)} | {percent(value)}
        assert element.text in rounded, element


def test_every_digit_outside_figures_comes_from_the_audit_or_is_a_fixed_phrase(complete, parsed):
    strings = " ".join(f"{leaf}" for leaf in _leaves(json.loads(complete.model_dump_json())))
    numbers = [leaf for leaf in _leaves(json.loads(complete.model_dump_json())) if isinstance(leaf, float)]
    shown = {number(value, digits).lstrip("−") for value in numbers for digits in (2, 3, 4)}
    shown |= {percent(value).rstrip(" %") for value in numbers}
    for fixed in ("arXiv 2507.11878", "95 %", "1 % FPR", "5 % FPR", "0 to 100 %", "Slot 0"):
        strings += f" {fixed} "
    text = " ".join(parsed.visible)
    unknown = [
        digits
        for digits in re.findall(r"\d+(?:\.\d+)?", text)
        if digits not in strings and digits not in shown
    ]
    assert unknown == []


def test_every_figure_has_words_and_a_table(parsed):
    plots = [element for element in parsed.elements if element.attributes.get("class") == "plot"]
    assert len(plots) == 8
    for plot in plots:
        assert plot.attributes["role"] == "img"
        assert len(plot.attributes["aria-label"] or "") > 40
    figures = parsed.all("figure")
    assert len(figures) == 8
    tables = [element for element in parsed.all("summary") if element.text.startswith("Numbers behind")]
    assert len(tables) == 8
    assert all(element.text for element in parsed.all("figcaption"))


def _section(parsed: Page, name: str) -> str:
    return next(element.text for element in parsed.all("section") if element.attributes["id"] == name)


def test_a_misread_prompt_shows_its_score_beside_the_threshold_and_no_belief(complete, parsed):
    text = _section(parsed, "misread")
    assert "belief" not in text.lower()
    for row in complete.misread:
        assert f"score {number(row.score, 4)}, threshold 0.0123" in text


@pytest.mark.parametrize("method", METHODS)
def test_the_guard_is_said_to_flag_by_its_own_score(complete, method):
    score = SCORES[method]
    guard = complete.guard.model_copy(update={"method": method.replace("_", " "), "score": score})
    text = _section(parse(page(complete.model_copy(update={"guard": guard}))), "guard")
    assert f"The score of this one is {score}, averaged" in text
    assert "belief is high" not in text


def test_what_belief_says_is_shown_with_both_endings(complete, parsed):
    text = " ".join(_section(parsed, "plane").split())
    for found in (complete.separation, complete.separation_as_written):
        within = found.auroc_within_accepted
        assert f"{number(within.value)} {number(within.low)} to {number(within.high)}" in text
    assert "Fitted with balanced endings" in text
    assert "Fitted as written" in text


def test_the_papers_way_means_as_written_and_nothing_else(complete, parsed):
    findings = [finding.evidence for finding in complete.findings]
    assert "paper" not in ENDINGS_MEANINGS["balanced"]
    sentences = re.split(r"(?<=\.)\s", " ".join([parsed.visible_text, *findings]))
    named = [sentence for sentence in sentences if "paper’s way" in sentence]
    assert named
    for sentence in named:
        assert (
            "as written" in sentence
            or "The paper’s way: fitting prompts with the endings they came" in sentence
        )


def test_headings_go_down_one_step_at_a_time_and_links_have_targets(parsed):
    levels = [int(element.tag[1]) for element in parsed.all("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [element.attributes["id"] for element in parsed.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for link in parsed.all("a"):
        assert (link.attributes["href"] or "").removeprefix("#") in ids


def test_a_page_of_a_model_that_never_refuses_says_so_and_invents_nothing(bare):
    parsed = parse(page(bare))
    text = parsed.visible_text
    assert text.count("fewer than 10 prompts in refused_harmful") >= 3
    assert "nan" not in text.lower().split()
    assert "None" not in text
    drawn = json.loads(
        next(
            element.text for element in parsed.all("script") if element.attributes.get("id") == "figure-data"
        )
    )
    assert set(drawn) == {
        "figure-slots-balanced-t-inst",
        "figure-slots-as-written-t-inst",
        "figure-plane-balanced",
        "figure-plane-as-written",
    }


def test_an_audit_without_any_measured_prompt_still_makes_a_page():
    empty = synthetic_audit(
        counts={
            "refused_harmful": 0,
            "accepted_harmful": 0,
            "refused_harmless": 0,
            "accepted_harmless": 0,
        }
    )
    text = parse(page(empty.model_copy(update={"plane": ()}))).visible_text
    assert "None" not in text
    assert "nan" not in text.split()
