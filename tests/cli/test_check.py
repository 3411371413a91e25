"""What is proved of a model, and where its positions are, for people and for programs."""

import json

import pytest

from latentguard.lm.proof.at_load import Proof


def test_every_check_and_every_capability_is_printed(latentguard, tiny_folder):
    call = latentguard("check", tiny_folder)
    assert call.code == 0
    for words in (
        "slots 0..L-1 equal the model's own hidden states",
        "zeroing head h in the attention zeroes slice h",
        "yes, 4 blocks of 4 heads of width 16",
        "prefix sharing",
    ):
        assert words in call.out
    assert "refused" not in call.out


def test_json_is_one_record_with_positions_that_are_tokens_of_the_prompt(latentguard, tiny_folder):
    found = json.loads(latentguard("check", tiny_folder, "--prompt", "Is tea hot?", "--json").out)
    positions = found["positions"]
    assert positions["tokens"][positions["t_inst"]]["text"] == "?"
    assert positions["t_post_inst"] == len(positions["tokens"]) - 1
    assert positions["t_content"] == positions["t_inst"]
    assert all(check["passed"] and check["error"] <= check["tolerance"] for check in found["proof"]["checks"])
    assert set(found["proof"]["supports"]) == {
        "slots",
        "edits",
        "heads",
        "attribution",
        "prefix sharing",
        "resume",
    }
    assert found["proof"]["refused"] == {}
    assert [one["block"] for one in found["proof"]["heads"]] == [0, 1, 2, 3]


def test_a_capability_that_is_refused_is_named_with_its_reason(latentguard, tiny_folder, monkeypatch):
    monkeypatch.setattr(
        "latentguard.lm.proof.at_load._try_heads",
        lambda _blocks, _prompt, _device, refusals: (refusals.update(heads="as if"), (None, []))[1],
    )
    call = latentguard("check", tiny_folder)
    assert call.code == 0
    assert "no: as if" in call.out


def test_an_error_that_is_not_finite_is_said_and_stays_json(latentguard, tiny_folder, monkeypatch):
    checks = Proof.record

    def unbounded(proof, positions=None):
        first, *rest = proof.checks
        changed = type(first)(first.name, first.says, float("inf"), 0.0)
        return checks(Proof((changed, *rest), None, {"heads": ""}), positions)

    monkeypatch.setattr(Proof, "record", unbounded)
    assert "not finite" in latentguard("check", tiny_folder).out
    found = json.loads(latentguard("check", tiny_folder, "--json").out)
    assert found["proof"]["checks"][0]["error"] is None
    assert not found["proof"]["checks"][0]["passed"]


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "[/red]", "<script>"])
def test_a_hostile_prompt_is_shown_inert(latentguard, tiny_folder, hostile):
    call = latentguard("check", tiny_folder, "--prompt", f"{hostile} tea?")
    assert call.code == 0
    assert "\x1b" not in call.out
