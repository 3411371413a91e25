"""`latentguard hub push` and `pull`: what is said, what is written, and one message where nothing is."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from latentguard.cli import _hub
from latentguard.guard import Guard
from tests.guard.hub_stand_in import running_hub
from tests.guard.toy import behaviour_of, toy_prompts
from tests.lm.tiny import tiny

REPO = "acme/guard"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The folder of a guard with a refusal belief."""
    prompts = toy_prompts(range(40))
    harmful, harmless = ([one for one in prompts if one.label == label] for label in ("harmful", "harmless"))
    options = {"method": "belief", "untrained_copies": 0, "permutations": 0}
    folder = tmp_path_factory.mktemp("fitted") / "guard"
    Guard.fit(tiny("Qwen3", seed=3), harmful, harmless, behaviour=behaviour_of(prompts), **options).save(
        folder
    )
    return folder


@pytest.fixture
def hub(monkeypatch):
    _hub._hub_answers.cache_clear()
    with running_hub(monkeypatch) as running:
        yield running
    _hub._hub_answers.cache_clear()


@pytest.fixture
def pushed(latentguard, hub, fitted):
    """What a push with everything in it said."""
    call = latentguard("hub", "push", fitted, REPO, "--with-refusal", "--with-words", "--json")
    assert call.code == 0, call.err
    return json.loads(call.out)


def test_a_push_says_what_is_published_and_what_was_left_out(latentguard, hub, fitted):
    call = latentguard("hub", "push", fitted, REPO)
    assert call.code == 0, call.err
    assert f"{hub.url}/{REPO} (private)" in call.out
    assert hub.repositories[REPO].branches["main"] in call.out
    left_out = [line for line in call.out.splitlines() if "left out" in line]
    assert ["refusal part" in left_out[0], "words" in left_out[1], "folder" in left_out[2]] == [True] * 3


def test_json_holds_the_same(pushed, hub):
    assert pushed["commit"] == hub.repositories[REPO].branches["main"]
    assert (pushed["private"], pushed["changed"]) == (True, True)
    assert [one for one in pushed["holds"] if "refusals can be suppressed" in one]
    assert len(pushed["left_out"]) == 1


def test_a_second_push_says_that_nothing_has_changed(latentguard, pushed, fitted):
    call = latentguard("hub", "push", fitted, REPO, "--with-refusal", "--with-words")
    assert call.code == 0, call.err
    assert f"{pushed['commit']}: nothing has changed" in call.out


def test_every_option_reaches_the_hub(latentguard, hub, fitted):
    options = [
        "--public",
        "--license",
        "apache-2.0",
        "--revision",
        "next",
        "-m",
        "First",
        "--model",
        "acme/chat",
    ]
    call = latentguard("hub", "push", fitted, REPO, *options)
    assert call.code == 0, call.err
    repository = hub.repositories[REPO]
    assert not repository.private
    assert repository.messages[-1] == "First"
    card = repository.commits[repository.branches["next"]]["README.md"].decode()
    assert "license: apache-2.0\n" in card
    assert "base_model: acme/chat\n" in card


def test_visibility_that_stays_as_it_was_is_said(latentguard, pushed, fitted):
    call = latentguard("hub", "push", fitted, REPO, "--public")
    assert call.code == 0, call.err
    assert "was private before, and stays so" in call.err


def test_a_pull_writes_the_guard_under_the_repositorys_name_and_says_whose_it_is(
    latentguard, pushed, tmp_path
):
    call = latentguard("hub", "pull", REPO)
    assert call.code == 0, call.err
    assert {one.name for one in (tmp_path / "here" / "guard").iterdir()} == {
        "guard.json",
        "guard.safetensors",
    }
    assert pushed["commit"] in call.out
    assert "tiny Qwen3" not in call.out  # the name of a folder was not published


def test_a_pulled_guard_is_calibrated_in_place_as_a_fitted_one(latentguard, pushed, tiny_folder, tmp_path):
    """Nothing lies in its folder that another command would call foreign."""
    assert latentguard("hub", "pull", REPO, "--out", tmp_path / "mine").code == 0
    traffic = tmp_path / "traffic.txt"
    traffic.write_text("\n".join(f"Describe the tea from valley {n}" for n in range(20)))
    options = ["--data", traffic, "--target-fpr", "0.1", "--model", tiny_folder, "--transfer"]
    assert latentguard("calibrate", "--guard", tmp_path / "mine", *options).code == 0


def test_json_of_a_pull_holds_the_commit_and_the_model(latentguard, pushed, tmp_path):
    found = json.loads(latentguard("hub", "pull", REPO, "--out", tmp_path / "mine", "--json").out)
    assert (found["commit"], found["out"]) == (pushed["commit"], str(tmp_path / "mine"))
    assert found["model"]["blocks"] == 4


def test_a_damaged_guard_is_refused_before_the_hub_is_asked(latentguard, hub, fitted, tmp_path):
    damaged = shutil.copytree(fitted, tmp_path / "damaged")
    (damaged / "guard.safetensors").write_bytes(b"")
    call = latentguard("hub", "push", damaged, REPO)
    assert (call.code, call.out) == (2, "")
    assert call.err.startswith("ArtefactMismatch:")
    assert hub.received == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pull", "acme/none", "--out", "x"], "NotShared: there is no repository acme/none"),
        (["pull", REPO, "--out", "x", "--revision", "v9"], "NotShared: acme/guard has no revision 'v9'"),
        (["pull", "guard", "--out", "x"], "NotShared: 'guard' is no repository"),
        (["pull", REPO, "--out", "."], "OutputRefused:"),
        (["push", "nowhere", REPO], "ArtefactMismatch: nowhere/guard.json is missing"),
    ],
)
def test_what_goes_wrong_is_one_message_and_leaves_nothing(latentguard, pushed, tmp_path, arguments, says):
    call = latentguard("hub", *arguments)
    assert (call.code, call.out) == (2, "")
    assert call.err.startswith(says)
    assert len(call.err.splitlines()) <= 4
    assert list((tmp_path / "here").iterdir()) == []


def test_a_tampered_file_is_refused_and_nothing_is_left(latentguard, pushed, hub, tmp_path):
    hub.repositories[REPO].files["guard.safetensors"] += b"\0"
    call = latentguard("hub", "pull", REPO)
    assert (call.code, call.out) == (2, "")
    assert call.err.startswith("ArtefactMismatch: guard.safetensors is missing or damaged: its sha256")
    assert list((tmp_path / "here").iterdir()) == []


def test_an_offline_machine_says_so(latentguard, hub, fitted, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for arguments in (["push", fitted, REPO], ["pull", REPO]):
        call = latentguard("hub", *arguments)
        assert call.code == 2
        assert call.err.startswith("NotShared: HF_HUB_OFFLINE is set")


def test_a_program_of_its_own_finds_the_hub_by_its_environment(pushed, hub, tmp_path):
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}

    def run(**more):
        code = "from latentguard.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "hub", "pull", REPO, "--out", "mine"],
            capture_output=True,
            text=True,
            env=environment | more,
            cwd=tmp_path,
            timeout=240,
        )

    ended = run()
    assert ended.returncode == 0, ended.stderr
    assert pushed["commit"] in ended.stdout
    assert ended.stderr == ""
    ended = run(HF_ENDPOINT="http://127.0.0.1:9")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[0] == "NotShared: http://127.0.0.1:9 cannot be reached."
