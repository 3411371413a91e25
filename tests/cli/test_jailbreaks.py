"""`latentguard jailbreaks` sets attacked prompts beside their requests."""

import json
from pathlib import Path

import pytest

from latentguard import organism as planted
from latentguard.organism.wording import ROLE_PLAYS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("attacks")
    bases = planted.sample_prompts("harmful", 8, seed=8)
    rows = [{"id": one.id, "prompt": one.text, "label": "harmful", "base_id": one.base_id} for one in bases]
    (folder / "base.jsonl").write_text("\n".join(map(json.dumps, rows)))
    wrapped = [
        {
            "id": f"{one.id}-r", "prompt": f"{ROLE_PLAYS[1]} {one.text}", "label": "harmful",
            "attack": "role\x1b[31m play", "base_id": one.id,
        }
        for one in bases
    ]  # fmt: skip
    (folder / "attacked.jsonl").write_text("\n".join(map(json.dumps, wrapped)))
    return folder / "base.jsonl", folder / "attacked.jsonl"


def test_the_planted_wrapping_is_shown_to_lower_refusal_only(latentguard, files):
    call = latentguard("jailbreaks", "--base", files[0], "--attacked", files[1], "--out", "j")
    assert call.code == 0, call.err
    found = json.loads(Path("j/jailbreaks.json").read_text())
    (row,) = found["attacks"]
    assert row["lowers"] in ("refusal only", "both")
    assert row["reverses"] == "refusal only"
    assert row["still_believed"]["value"] == 1.0
    assert found["left_out_of_the_fit"] > 0, "other prompts about the same acts are in the default fit"
    assert len(found["prompts"]) == 8
    assert "refusal only" in call.out
    assert "\x1b[31m" not in call.out


def test_attacks_without_their_requests_are_refused_before_a_model_is_loaded(latentguard, files):
    call = latentguard("jailbreaks", "./nowhere", "--base", files[1], "--attacked", files[1])
    assert call.code == 2
    assert "no request has the id" in call.err
    assert list(Path.cwd().iterdir()) == []


def test_only_requests_that_are_attacked_are_kept_from_the_fit(latentguard, files, tmp_path):
    """The file of requests may be the very file that beliefs are fitted on."""
    more = planted.sample_prompts("harmful", 60, seed=21)
    rows = [{"id": one.id, "prompt": one.text} for one in more]
    everything = tmp_path / "requests.jsonl"
    everything.write_text("\n".join([*map(json.dumps, rows), files[0].read_text()]))
    harmless = tmp_path / "harmless.jsonl"
    harmless.write_text(
        "\n".join(json.dumps({"prompt": one.text}) for one in planted.sample_prompts("harmless", 40, seed=3))
    )
    call = latentguard(
        "jailbreaks", "--base", everything, "--attacked", files[1], "--harmful", everything,
        "--harmless", harmless, "--out", "j",
    )  # fmt: skip
    assert call.code == 0, call.err
    found = json.loads(Path("j/jailbreaks.json").read_text())
    assert 8 <= found["left_out_of_the_fit"] < 60
    assert found["fitted_on"] + found["left_out_of_the_fit"] == 60 + 8 + 40
