"""What a reader sees: the page in a real browser, wide and narrow, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from latentguard._text import inert
from latentguard.report.page import write_report
from latentguard.report.schema import Audit
from tests.report.further.synthetic import synthetic_further
from tests.report.synthetic import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PATIENCE = 120_000
"""Milliseconds; the page draws in under two seconds, but a busy machine may keep it waiting."""

CONTRAST = """() => {
  const luminance = ([r, g, b]) => [r, g, b]
    .map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script, style, svg")) continue;
    if (!element.getClientRects().length) continue;
    const front = luminance(parse(getComputedStyle(element).color).slice(0, 3));
    const back = luminance(behind(element));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) faint.push([ratio.toFixed(2), walker.currentNode.textContent.trim().slice(0, 40)]);
  }
  for (const text of document.querySelectorAll(".plot svg text")) {
    const front = luminance(parse(getComputedStyle(text).fill).slice(0, 3));
    const back = luminance(behind(text));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) faint.push([ratio.toFixed(2), "figure: " + text.textContent]);
  }
  return faint;
}"""


class Opened:
    """A page that was opened, and everything it did that a page of ours must not do."""

    def __init__(self, page: "Page", path: Path) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("console", lambda message: self.faults.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)
        page.set_default_timeout(PATIENCE)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached")

    def _dialog(self, dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"request: {request.url}")


@pytest.fixture(scope="module")
def report(complete: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(complete, tmp_path_factory.mktemp("report"))[0]


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator:
    contexts = []

    def opened(path: Path, *, width: int = 1280, scheme: str = "light", **options) -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        return Opened(context.new_page(), path)

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_offline_fits_and_can_be_read(open_page, report, width, scheme):
    opened = open_page(report, width=width, scheme=scheme, offline=True)
    page = opened.page
    assert page.locator(".plot .main-svg").count() >= 8
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
    assert opened.faults == []


def test_a_bare_audit_opens_without_a_fault(open_page, bare, tmp_path):
    opened = open_page(write_report(bare, tmp_path)[0], width=390)
    assert opened.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert opened.faults == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_further_results_open_on_the_same_page(open_page, complete, tmp_path, width, scheme):
    report = write_report(complete, tmp_path, synthetic_further(complete))[0]
    opened = open_page(report, width=width, scheme=scheme, offline=True)
    page = opened.page
    assert page.locator(".plot .main-svg").count() >= 15
    assert page.locator("#figure-turned-0 .heatmaplayer image").count() == 1
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.evaluate(CONTRAST) == []
    assert opened.faults == []


def test_figures_follow_the_screen_from_light_to_dark(open_page, report):
    opened = open_page(report)
    read = "getComputedStyle(document.querySelector('#figure-roc .xtick text')).fill"
    light = opened.page.evaluate(read)
    opened.page.emulate_media(color_scheme="dark")
    opened.page.evaluate(
        "(light) => new Promise((done) => { const look = () =>"
        f" {read} === light ? requestAnimationFrame(look) : done(true); look(); }})",
        light,
    )
    assert opened.faults == []


@pytest.mark.parametrize("endings", ["balanced", "as-written"])
def test_pointing_at_a_mark_shows_its_prompt_as_inert_text(open_page, report, complete, endings):
    opened = open_page(report)
    page = opened.page
    for index, point in enumerate(complete.plane):
        if point.prompt in HOSTILE[:7:2]:
            page.evaluate(
                "([index, endings]) => document.getElementById('figure-plane-' + endings)"
                ".emit('plotly_click', { points: [{ customdata: index }] })",
                [index, endings],
            )
            assert page.locator("#chosen blockquote").inner_text() == inert(point.prompt)
            assert page.locator("#chosen blockquote *").count() == 0
    assert opened.faults == []


def test_a_hover_label_shows_a_hostile_prompt_as_text(open_page, report, complete):
    opened = open_page(report)
    labels = opened.page.locator("#figure-plane-balanced .hoverlayer")
    for text in ("<img src=x onerror=alert(1)>", "</script><script>alert('prompt')</script>"):
        index = next(number for number, point in enumerate(complete.plane) if text in point.prompt)
        opened.page.evaluate(
            "(index) => { const plane = document.getElementById('figure-plane-balanced');"
            " const curveNumber = plane.data.findIndex(({ customdata }) => customdata?.includes(index));"
            " const pointNumber = plane.data[curveNumber].customdata.indexOf(index);"
            " Plotly.Fx.hover(plane, [{ curveNumber, pointNumber }]); }",
            index,
        )
        expect(labels).to_contain_text(text)
        assert labels.locator("a, script, img").count() == 0
    assert opened.faults == []


def test_a_script_that_slipped_through_would_not_run(open_page, report, tmp_path):
    broken = tmp_path / "report.html"
    html = report.read_text(encoding="utf-8")
    broken.write_text(html.replace("</main>", "<img src=x onerror=alert(1)><script>alert(2)</script></main>"))
    opened = open_page(broken)
    assert not [fault for fault in opened.faults if fault.startswith("dialog")]
    assert [fault for fault in opened.faults if "Content Security Policy" in fault]


def test_the_page_can_be_walked_by_keyboard(open_page, report):
    page = open_page(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").is_visible()
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SUMMARY"} <= seen
