"""The organism's fine-tuning attack: what it writes, and that it trains on answers alone."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import latentguard
from latentguard import organism as planted
from latentguard.organism import fine_tuning


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_attacked_organism_loads_and_is_another_model(method, tmp_path: Path, organism):
    made = planted.attack(tmp_path / "attacked", pairs=4, method=method, seed=1)
    assert json.loads((tmp_path / "attacked" / "attack.json").read_text())["pairs"] == made.pairs == 4
    attacked = latentguard.load(tmp_path / "attacked", dtype="float32")
    assert attacked.identity().fingerprint != organism.identity().fingerprint
    assert attacked.identity().template_hash == organism.identity().template_hash
    is_adapter = (tmp_path / "attacked" / "adapter_config.json").exists()
    assert is_adapter is (method == "lora")


def test_the_same_seed_makes_the_same_weights(tmp_path: Path):
    for name in "ab":
        planted.attack(tmp_path / name, pairs=2, method="full", seed=5)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_the_loss_is_on_answers_alone_and_padding_changes_nothing():
    tokenizer = AutoTokenizer.from_pretrained(planted.path())
    model = AutoModelForCausalLM.from_pretrained(planted.path(), dtype=torch.float32).eval()
    rows = fine_tuning._rows(tokenizer, 8, seed=0)
    assert len({len(row.prompt) for row in rows}) > 1
    by_hand = []
    for row in rows:
        logits = model(torch.tensor([row.prompt + row.answer])).logits[0, len(row.prompt) - 1 : -1]
        by_hand += torch.nn.functional.cross_entropy(
            logits, torch.tensor(row.answer), reduction="none"
        ).tolist()
    assert float(fine_tuning._loss(model, rows).detach()) == pytest.approx(
        sum(by_hand) / len(by_hand), rel=1e-4
    )


def test_nothing_is_trained_on_that_a_test_of_the_organism_uses():
    """Held-out pairs stay held out: what is measured afterwards was never fine-tuned on."""
    trained = {one.base_id for one in planted.sample_prompts("harmful", 200, seed=0, held_out=False)}
    tested = {one.base_id for one in planted.sample_prompts("harmful", 200, seed=0)}
    assert not trained & tested


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        planted.attack(tmp_path, pairs=2)
    with pytest.raises(ValueError, match="at least one pair"):
        planted.attack(tmp_path / "new", pairs=0)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]
