"""`latentguard report` puts every result about one model on one page; no model is run."""

from pathlib import Path

import pytest

from latentguard.report import audit_json
from latentguard.report.further import FILES
from tests.report.further.synthetic import records_of, synthetic_further
from tests.report.synthetic import synthetic_audit


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    audit = synthetic_audit()
    (folder / "audit.json").write_text(audit_json(audit), encoding="utf-8")
    further = synthetic_further(audit)
    for name, record in zip(FILES, records_of(further), strict=True):
        (folder / name).write_text(record.model_dump_json())
    return folder


def test_one_page_holds_the_audit_and_every_further_result(latentguard, results):
    call = latentguard("report", results, results, "--out", "page")
    assert call.code == 0, call.err
    html = Path("page/report.html").read_text(encoding="utf-8")
    for key in ("plane", "guard", "causal", "jailbreaks", "compare", "rivals", "ablations", "reproduction"):
        assert f'<section id="{key}"' in html
    assert (results / "audit.json").read_text() == Path("page/audit.json").read_text()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "audit.json").unlink(), "holds no audit.json"),
        (lambda folder: (folder / "audit.json").write_text("{}"), "audit.json is damaged"),
        (lambda folder: (folder / "causal.json").write_text("{}"), "causal.json is damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_written(
    latentguard, results, tmp_path, break_it, said
):
    folder = tmp_path / "broken"
    folder.mkdir()
    for file in results.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    break_it(folder)
    call = latentguard("report", folder, folder, "--out", "page")
    assert call.code == 2
    assert said in call.err
    assert not Path("page").exists()
