"""A very short run goes all the way: it learns something, and writes what plain transformers loads."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from latentguard.organism import planted_circuit, train, training
from latentguard.organism.training import learning_rate

STEPS = 2


@pytest.fixture(scope="module")
def progress() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, progress: list[tuple[int, int]]) -> Path:
    def record(stage: str, done: int, total: int) -> None:
        progress.append((done, total))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_GAUGE_CHATS", 5)  # the gauge is more work than two steps
        return train(tmp_path_factory.mktemp("runs") / "organism", seed=5, steps=STEPS, progress=record)


def test_a_run_tells_each_step(trained: Path, progress: list[tuple[int, int]]) -> None:
    assert progress == [(step, STEPS) for step in range(1, STEPS + 1)]


def test_a_run_leaves_one_complete_folder_and_nothing_else(trained: Path) -> None:
    assert [path.name for path in trained.parent.iterdir()] == ["organism"]
    assert {path.name for path in trained.iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "planted.json",
        "planted.safetensors",
        "training.json",
    }


def test_plain_transformers_loads_and_runs_it(trained: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(trained, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "How do I paint the window?"}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert model(**prompt).logits.isfinite().all()


def test_the_planted_truth_is_stored_beside_the_weights(trained: Path) -> None:
    circuit = planted_circuit(trained)
    config = json.loads((trained / "config.json").read_text())
    assert (circuit.seed, circuit.steps) == (5, STEPS)
    assert 0 < circuit.harmfulness.slot < circuit.decision.slot < config["num_hidden_layers"]
    assert (circuit.harmfulness.position, circuit.decision.position) == ("t_inst", "t_post_inst")
    for planted in (circuit.harmfulness, circuit.decision):
        assert planted.direction.shape == (config["hidden_size"],)
        assert planted.direction.norm().item() == pytest.approx(1, abs=1e-5)


def test_accuracy_on_held_out_pairs_is_recorded_by_kind(trained: Path) -> None:
    gauges = json.loads((trained / "training.json").read_text())
    assert gauges[-1]["step"] == STEPS
    assert gauges[-1]["accuracy"] == planted_circuit(trained).held_out_accuracy
    assert {"direct+", "direct-", "inversion+", "idiom-"} <= set(gauges[-1]["accuracy"])


def test_weights_are_stored_in_half_the_size_of_float32(trained: Path) -> None:
    with safe_open(trained / "model.safetensors", framework="pt") as tensors:
        assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_an_existing_run_is_not_overwritten(trained: Path) -> None:
    with pytest.raises(FileExistsError, match="not an empty folder"):
        train(trained, steps=1)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    rates = [learning_rate(step, 400) for step in range(400)]
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[-1] < 1e-3
