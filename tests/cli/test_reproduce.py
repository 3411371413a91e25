"""`latentguard reproduce harmfulness`: what it refuses, and what it says before it begins."""

import json
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["acme/chat"], "name the folder that holds them"),
        (["acme/chat", "--data", "."], "holds no advbench.jsonl"),
    ],
)
def test_what_cannot_be_reproduced_is_refused_before_a_model_is_loaded(latentguard, arguments, said):
    call = latentguard("reproduce", "harmfulness", *arguments)
    assert call.code == 2
    assert said in call.err
    assert list(Path.cwd().iterdir()) == []


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(latentguard):
    call = latentguard("reproduce", "harmfulness", "--dry-run", "--json")
    assert call.code == 0, call.err
    planned = json.loads(call.out)
    assert planned["forwards"] > 1000
    assert planned["minutes"] > 0
    assert list(Path.cwd().iterdir()) == []
