"""`latentguard ablations`: how many prompts a guard of a model needs, and which slots."""

import json
from pathlib import Path

import pytest

from tests.guard.toy import toy_prompts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("prompts")
    options: list[object] = []
    for label in ("harmful", "harmless"):
        rows = [{"prompt": one.text} for one in toy_prompts(range(40)) if one.label == label]
        path = folder / f"{label} \x1b[31m.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        options += [f"--{label}", path]
    return options


def test_sizes_and_slots_are_measured_and_the_sizes_that_are_too_large_are_named(
    latentguard, tiny_folder, files
):
    call = latentguard("ablations", tiny_folder, *files, "--sizes", "8,16,500", "--draws", "2", "--out", "a")
    assert call.code == 0, call.err
    found = json.loads(Path("a/ablations.json").read_text())
    assert [(row["prompts"], row["draws"]) for row in found["sizes"]] == [(8, 2), (16, 2)]
    assert found["left_out"] == [500]
    assert [found["slots"][at]["slot"] for at in (0, 1, -1)] == [0, 1, None]
    assert found["n_train"] + found["n_validation"] + found["n_test"] == 80
    assert "Too few prompts for 500 a class." in call.out
    assert "\x1b[31m" not in call.out + call.err
    assert [one.name for one in Path.cwd().iterdir()] == ["a"]


def test_a_dry_run_writes_nothing_and_says_what_it_would_cost(latentguard, tiny_folder, files):
    call = latentguard("ablations", tiny_folder, *files, "--dry-run", "--json")
    assert call.code == 0, call.err
    assert json.loads(call.out)["tokens"] > 0
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("sizes", ["6,10", "ten", "", "10,-3", "2.5"])
def test_sizes_that_are_none_are_refused(latentguard, sizes):
    call = latentguard("ablations", "--sizes", sizes)
    assert call.code == 2
    assert "whole numbers from 7" in call.err
    assert list(Path.cwd().iterdir()) == []


def test_too_few_prompts_for_every_size_leave_nothing_behind(latentguard, tiny_folder, files):
    call = latentguard("ablations", tiny_folder, *files, "--sizes", "500")
    assert call.code == 2
    assert "is more than the" in call.err
    assert list(Path.cwd().iterdir()) == []
