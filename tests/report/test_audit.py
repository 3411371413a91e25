"""The whole audit on a model of random weights: it never refuses, and nothing that it reads is belief."""

from dataclasses import replace

import pytest

from latentguard.guard import Guard
from latentguard.report import Audit, AuditData, audit, page
from latentguard.report.page import audit_json, read_audit, write_report
from tests.guard.toy import toy_prompts
from tests.lm.tiny import tiny
from tests.report.parsing import parse

REPLY = "a-reply-that-must-be-dropped"


@pytest.fixture(scope="module")
def data() -> AuditData:
    prompts = toy_prompts(range(40))
    harmful = [prompt for prompt in prompts if prompt.label == "harmful"]
    harmless = [prompt for prompt in prompts if prompt.label == "harmless"]
    return AuditData.of_lists(harmful, harmless, name="toy prompts")


@pytest.fixture(scope="module")
def audited(data: AuditData) -> tuple[Audit, Guard]:
    model = tiny("Qwen3", seed=3)
    generate = model.generate

    def marked(*arguments, **options):
        return [replace(reply, text=f"{REPLY} {reply.text}") for reply in generate(*arguments, **options)]

    model.generate = marked
    return audit(model, data, command="latentguard audit tiny")


def test_random_weights_are_not_above_an_untrained_copy(audited):
    found, _ = audited
    assert found.guard.above_untrained is not True
    assert "not above an untrained copy of this model" in found.guard.sentence
    assert {finding.key: finding.tone for finding in found.findings}["separation"] != "yes"
    assert "not above an untrained copy of this model" in parse(page(found)).visible_text


def test_a_model_that_never_refuses_has_no_refusal_belief_anywhere(audited):
    found, guard = audited
    assert found.behaviour.cells["refused_harmful"].count < 10
    assert found.separation.refusal_unavailable is not None
    assert found.separation.refusal_belief_agrees is None
    assert all(point.refusal is None for point in found.plane)
    assert all(curve.reason for curve in found.cosines)
    assert {panel.position for panel in found.panels if panel.reason} == {"t_post_inst"}
    assert guard.manifest.refusal is None
    row = next(row for row in found.guard.rows if row.key == "refusal_belief")
    assert row.unavailable


def test_only_prompts_that_nothing_was_fitted_or_chosen_on_are_measured(audited, data):
    found, _ = audited
    used = {prompt.text for prompt in (*data.split.train, *data.split.validation)}
    assert not used & {point.prompt for point in found.plane}
    assert not used & {row.prompt for row in found.misread}
    n = len(data.measured)
    assert {row.auroc.n for row in found.guard.rows} == {n}
    assert found.separation.auroc_all.n == n
    assert sum(found.behaviour.test_cells.values()) <= n
    assert all(band.n == found.behaviour.test_cells[band.cell] for band in found.panels[0].bands)


def test_both_kinds_of_endings_and_all_slots_are_shown(audited):
    found, _ = audited
    blocks = found.provenance.model.blocks
    assert {(panel.endings, panel.position) for panel in found.panels} == {
        (endings, position)
        for endings in ("balanced", "as_written")
        for position in ("t_inst", "t_post_inst")
    }
    assert found.panels[0].slots == tuple(range(blocks + 1))
    assert (found.separation.endings, found.separation_as_written.endings) == ("balanced", "as_written")
    assert found.separation.auroc_all != found.separation_as_written.auroc_all
    assert all(point.harmfulness != point.harmfulness_as_written for point in found.plane)


def test_every_baseline_stands_beside_the_guard(audited):
    found, _ = audited
    keys = [row.key for row in found.guard.rows]
    assert keys[:4] == ["guard", "as_written", "untrained", "tfidf"]
    assert set(keys[4:]) == {"refusal_belief", "final_punctuation", "length", "permuted_labels"}
    for row in found.guard.rows:
        assert row.unavailable or row.curve is not None


def test_the_template_view_marks_two_tokens_of_a_real_prompt(audited, data):
    view = audited[0].template
    assert view.prompt in {prompt.text for prompt in data.measured}
    content = [token.index for token in view.tokens if token.part == "content"]
    assert view.t_inst == content[-1]
    assert view.t_post_inst == view.tokens[-1].index
    assert "".join(view.tokens[index].text for index in content).strip() == view.prompt.strip()


def test_the_record_makes_the_page_without_the_model(audited, tmp_path):
    found, _ = audited
    html_path, _ = write_report(found, tmp_path)
    again = read_audit(tmp_path)
    assert again == found
    assert page(again) == html_path.read_text(encoding="utf-8")


def test_no_reply_of_the_model_is_in_the_record_or_on_the_page(audited):
    assert REPLY not in audit_json(audited[0])
    assert REPLY not in page(audited[0])


def test_each_number_has_an_address(audited, data):
    provenance = audited[0].provenance
    assert provenance.command == "latentguard audit tiny"
    assert [part.part for part in provenance.data] == ["train", "validation", "test"]
    assert set(provenance.seconds) == {"replies", "beliefs", "guard"}
    assert {"python", "torch", "transformers", "latentguard"} <= set(provenance.model.versions)
