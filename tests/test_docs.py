"""The site says what is so: its code runs, its tables are those of the tests, and every picture has words."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.lm.architectures import ARCHITECTURES

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))
WITH_CODE = [page for page in PAGES if "```python" in (ROOT / page).read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page, "exec"), names)


def architecture_table() -> str:
    """One row an architecture of the tests: the width of a head by block, and what is refused."""
    lines = ["| architecture | blocks with heads | refused |", "|---|---|---|"]
    for name, one in ARCHITECTURES.items():
        n_blocks = len(one.heads) or 4
        with_heads = sum(width is not None for width in one.heads)
        heads = "all" if with_heads == n_blocks else f"{with_heads} of {n_blocks}" if with_heads else "none"
        lines.append(f"| {name} | {heads} | {', '.join(sorted(one.refused)) or 'nothing'} |")
    return "\n".join(lines)


def test_the_table_of_architectures_is_the_one_that_is_tested():
    page = (ROOT / "docs/right.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- architectures.*?-->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1] == architecture_table()


def settings_table() -> str:
    """One row a setting of the server: its default and what it is."""
    from latentguard.serve import Settings

    lines = ["| setting | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() else f"`{json.dumps(field.default)}`"
        lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines)


def test_the_table_of_settings_is_the_servers():
    page = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- settings.*?-->\n(.*?)\n?<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1] == settings_table()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy of what it is made of; a warning is an error."""
    place = tmp_path_factory.mktemp("site")
    for name in ("docs", "src", "benchmarks"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, place / name)
    zensical = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(zensical, cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "site"


def test_the_site_builds_without_a_warning_and_has_every_page(site):
    for page in PAGES:
        name = Path(page).relative_to("docs").with_suffix("")
        assert (site / ("" if name.name == "index" else name) / "index.html").is_file(), page


def test_every_public_name_of_a_room_is_explained_on_its_page(site):
    for page in sorted((ROOT / "docs/rooms").glob("*.md")):
        if page.stem in ("cli", "errors"):
            continue
        room = importlib.import_module(f"latentguard.{page.stem}")
        html = (site / "rooms" / page.stem / "index.html").read_text(encoding="utf-8")
        own = f"latentguard.{page.stem}"
        missing = [
            name
            for name in room.__all__
            # a function that is named as its file is listed as the file's
            if f'id="{own}.{name}"' not in html and f'id="{own}.{name}.{name}"' not in html
        ]
        assert not missing, f"{page.stem}: {missing}"


def test_no_page_asks_another_machine_for_anything(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link)[^>]*?(?:src|href)="(https?://[^"]+)"', page.read_text("utf-8")
        )
        assert not loaded, page


def test_every_room_and_every_command_has_its_page():
    rooms = {
        path.parent.name
        for path in (ROOT / "src/latentguard").glob("*/__init__.py")
        if path.parent.name != "cli"
    }
    described = {page: (ROOT / f"docs/rooms/{page}.md").read_text(encoding="utf-8") for page in rooms}
    assert all(f"::: latentguard.{room}\n" in text for room, text in described.items())
    from latentguard.cli._main import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    page = (ROOT / "docs/rooms/cli.md").read_text(encoding="utf-8")
    assert commands
    assert not [name for name in commands if f"latentguard {name}" not in page]


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda path: path.name)
def test_every_picture_says_in_words_what_it_shows(picture):
    tree = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    spoken = {child.tag.split("}")[1] for child in tree if (child.text or "").strip()}
    assert {"title", "desc"} <= spoken


def test_every_image_of_a_page_has_words_in_its_place():
    for page in PAGES:
        for words, _ in re.findall(r"!\[(.*?)\]\((.*?)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert len(words) > 10, page
