"""`latentguard steer` writes a certificate, says what it costs, and goes on where it was stopped."""

import json
from pathlib import Path

import pytest

SMALL = ("--each", "5", "--fitted", "10", "--blocks", "3,6-6", "--scales", "1", "--random", "2")


def test_the_organisms_certificate_is_written_and_shown(latentguard):
    call = latentguard("steer", *SMALL, "--task", "refusal", "--generate", "6", "--out", "c")
    assert call.code == 0, call.err
    found = json.loads(Path("c/causal.json").read_text())
    assert found["format"] == "latentguard-causal/1"
    assert [curve["blocks"] for one in found["experiments"] for curve in one["curves"]] == [[3, 6]] * 4
    assert found["command"] == f"latentguard steer {' '.join(SMALL)} --task refusal --generate 6 --out c"
    assert [one["block"] for one in found["experiments"][0]["replies"]] == [6] * 4
    assert "causal" in call.out
    assert "+v_harm" in call.out
    assert not Path("c.unfinished").exists()


def test_a_dry_run_says_the_price_and_writes_nothing(latentguard):
    call = latentguard("steer", *SMALL, "--dry-run", "--json")
    assert call.code == 0, call.err
    assert json.loads(call.out)["forwards"] > 100
    assert list(Path.cwd().iterdir()) == []


def test_stopped_work_is_kept_and_gone_on_with(latentguard):
    from latentguard import causal

    whole = causal.certify
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentguard.causal.certify", lambda *a, **k: [whole(*a, **k), _stop()])
        call = latentguard("steer", *SMALL, "--task", "inversion", "--out", "c")
    assert call.code == 130
    assert "the same call goes on from there" in call.err
    assert any(Path("c.unfinished").glob("sweep-*.jsonl"))
    assert not Path("c").exists()
    call = latentguard("steer", *SMALL, "--task", "inversion", "--out", "c", "--json")
    assert call.code == 0, call.err
    assert json.loads(call.out) == json.loads(Path("c/causal.json").read_text())
    assert "Going on from what c.unfinished holds" in call.err
    assert not Path("c.unfinished").exists()


def _stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--blocks", "8"], "this model has 0 to 7"),
        (["--blocks", "three"], "no block and no range"),
        (["--blocks", "5-3"], "names no block"),
        (["--generate", "9"], "there is no block 9"),
        (["--scales", "0"], "no list of scales above 0"),
        (["--scales", "1,big"], "no list of scales above 0"),
        (["--scales", "nan"], "no list of scales above 0"),
        (["--each", "4"], "each"),
    ],
)
def test_a_place_that_cannot_be_is_refused(latentguard, arguments: list[str], said: str):
    call = latentguard("steer", *arguments)
    assert call.code == 2
    assert said in " ".join(call.err.split())
    assert list(Path.cwd().iterdir()) == []


def test_too_few_prompts_are_refused_with_their_files(latentguard, tmp_path: Path):
    for name in ("harmful", "harmless"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"prompt": f"say {name}"}))
    call = latentguard(
        "steer", "--harmful", tmp_path / "harmful.jsonl", "--harmless", tmp_path / "harmless.jsonl"
    )
    assert call.code == 2
    assert "TooFewPrompts" in call.err
    assert "harmful.jsonl: 1 harmful, 0 harmless" in call.err


def test_the_organism_is_asked_its_own_questions_and_no_other(latentguard):
    call = latentguard("steer", "--question", "wrongdoing", "--out", "c")
    assert call.code == 2
    assert "the four questions that it was trained on" in call.err
    assert list(Path.cwd().iterdir()) == []
