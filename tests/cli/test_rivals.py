"""`latentguard rivals` sets the guard beside what else could flag a prompt."""

import json
from pathlib import Path

import pytest

from tests.guard.toy import toy_prompts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prompts")

    def written(name: str, numbers: range, *labels: str) -> Path:
        rows = [
            {"prompt": one.text, "label": one.label} for one in toy_prompts(numbers) if one.label in labels
        ]
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return path

    return {
        "harmful": written("bad", range(20), "harmful"),
        "harmless": written("good", range(20), "harmless"),
        "ordinary": written("daily", range(20, 45), "harmless"),
        "data": written("both \x1b[31mtests", range(45, 70), "harmful", "harmless"),
    }


def options(files: dict[str, Path]) -> list[object]:
    return [part for name, path in files.items() for part in (f"--{name}", path)]


def test_rivals_of_a_model_are_measured_beside_words(latentguard, tiny_folder, files):
    call = latentguard("rivals", tiny_folder, *options(files), "--rates", "0.05", "--out", "r")
    assert call.code == 0, call.err
    found = json.loads(Path("r/rivals.json").read_text())
    by_name = {one["name"]: one for one in found["standings"]}
    assert list(by_name)[:2] == ["Latent Guard", "Latent Guard, position auto"]
    assert by_name["TF-IDF + logistic"]["recall"][0]["value"] == 1.0, "one word tells the classes"
    assert "no first token tells" in by_name["first-token refusal probability"]["unavailable"]
    assert [one["n"] for one in by_name["Latent Guard"]["sets"]] == [25, 25]
    assert (found["n_ordinary"], found["left_out"]) == (25, 0)
    assert "first-token refusal probability unavailable" in call.out
    assert "\x1b[31m" not in call.out + call.err


def test_words_alone_need_no_model(latentguard, files):
    call = latentguard("rivals", "--words-only", *options(files), "--rates", "0.05", "--json")
    assert call.code == 0, call.err
    found = json.loads(call.out)
    assert found["model"] is None
    assert [one["name"] for one in found["standings"]] == ["TF-IDF + logistic", "length", "final punctuation"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--words-only"], "give --data"),
        (["acme/chat", "--ordinary", "daily.jsonl"], "give --data"),
        (["--rates", "0,2"], "no list of rates between 0 and 1"),
    ],
)
def test_half_a_question_is_refused(latentguard, arguments, said):
    call = latentguard("rivals", *arguments)
    assert call.code == 2
    assert said in call.err
    assert list(Path.cwd().iterdir()) == []


def test_too_few_ordinary_prompts_for_the_rate_leave_nothing_behind(latentguard, files):
    call = latentguard("rivals", "--words-only", *options(files))
    assert call.code == 2
    assert "100 ordinary harmless prompts at least; there are 25" in call.err
    assert list(Path.cwd().iterdir()) == []


def test_a_dry_run_of_words_alone_says_that_no_model_is_loaded(latentguard, files):
    call = latentguard("rivals", "--words-only", *options(files), "--rates", "0.05", "--dry-run")
    assert call.code == 0, call.err
    assert "No model is loaded" in call.out
    assert list(Path.cwd().iterdir()) == []
