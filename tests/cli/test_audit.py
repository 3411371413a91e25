"""The main command, end to end, on a folder of random weights: whole, inert, and honest about words."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

from tests.cli.prompts import HOSTILE, write_classes


def record(audited):
    return json.loads((audited.folder / "out" / "audit.json").read_text())


def test_report_record_and_guard_are_there_and_nothing_else(audited):
    assert audited.call.code == 0, audited.call.err
    files = {
        path.relative_to(audited.folder / "out").as_posix() for path in (audited.folder / "out").rglob("*")
    }
    assert files == {"report.html", "audit.json", "guard", "guard/guard.json", "guard/guard.safetensors"}
    assert {path.name for path in audited.folder.iterdir()} == {"out", "harmful.jsonl", "harmless.jsonl"}


def test_standard_output_is_the_record_and_nothing_else(audited):
    assert json.loads(audited.call.out) == record(audited)
    assert audited.call.out.isascii()
    assert len(audited.call.out.splitlines()) == 1


def test_random_weights_are_reported_as_not_above_their_untrained_copies(audited):
    guard = record(audited)["guard"]
    assert guard["above_untrained"] is not True
    assert "not above an untrained copy of this model" in guard["sentence"]
    assert "not above an untrained copy of this model" in (audited.folder / "out" / "report.html").read_text()


def test_every_number_has_an_address(audited, tiny_folder):
    provenance = record(audited)["provenance"]
    assert provenance["command"].startswith("latentguard audit ")
    assert provenance["model"]["name"] == "tiny"
    assert len(provenance["model"]["fingerprint"]) == 64
    assert {part["part"] for part in provenance["data"]} == {"train", "validation", "test"}
    assert all(len(part["sha256"]) == 64 for part in provenance["data"])


class Tags(HTMLParser):
    """Every tag of a page, and the text of no script."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_hostile_prompts_are_inert_in_the_page_and_in_the_record(audited):
    page = (audited.folder / "out" / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert not [attributes for _, attributes in tags.found if "onerror" in attributes]
    assert "<script>window.hacked" not in page
    written = (audited.folder / "out" / "audit.json").read_text() + audited.call.out + audited.call.err
    assert not set(page + written) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert any("window.hacked" in text for text in (page, written)), "no hostile prompt was shown at all"


def test_an_audit_replaces_an_earlier_one_and_prints_a_table(audited, latentguard, tiny_folder, tmp_path):
    shutil.copytree(audited.folder / "out", "out")
    Path("out", "audit.json").write_text("an earlier audit")
    harmful, harmless = write_classes(tmp_path, each=20)
    call = latentguard("audit", tiny_folder, "--harmful", harmful, "--harmless", harmless, "--out", "out")
    assert call.code == 0, call.err
    assert json.loads(Path("out", "audit.json").read_text())["kind"] == "latentguard.audit"
    assert "AUROC" in call.out
    assert "refused harmful" in call.out
    assert not set(call.out + call.err) & set("\x1b\x07\x9b\u202e")
    assert [path.name for path in Path().iterdir()] == ["out"]
    assert all(text not in call.out for text in HOSTILE if "\x1b" in text)
