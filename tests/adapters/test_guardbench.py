"""GuardBench's own benchmark, on a data set of its own format that lies here: its figures are the guard's."""

import json
import math

import guardbench
import pytest
from guardbench.datasets import DATASETS
from loguru import logger
from sklearn.metrics import average_precision_score, f1_score, recall_score

from latentguard.adapters import Checked
from latentguard.adapters.guardbench import _moved, moderate


@pytest.fixture
def data_set(harmful, harmless, monkeypatch, tmp_path):
    """One of GuardBench's names, with our prompts where it would keep its download."""
    monkeypatch.setenv("GUARDBENCH_DEV_PATH", str(tmp_path / "kept"))
    rows = [
        {"id": str(number), "label": label, "conversation": [{"role": "user", "content": text}]}
        for number, (text, label) in enumerate(
            [(one, True) for one in harmful] + [(one, False) for one in harmless]
        )
    ]
    # some labels turned, so that no figure is a plain 0 or 1
    for row in rows[::7]:
        row["label"] = not row["label"]
    folder = tmp_path / "kept" / "datasets" / "xstest"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "xstest" in DATASETS
    return rows


def test_the_benchmark_measures_the_guards_own_decisions_and_ranks(guard, data_set, tmp_path):
    told: list[str] = []
    sink = logger.add(told.append, format="{message}")
    guardbench.benchmark(
        moderate=moderate,
        guard=guard,
        model_name="ours",
        batch_size=16,
        datasets=["xstest"],
        metrics=["f1", "recall", "auprc"],
        out_dir=str(tmp_path / "out"),
    )
    logger.remove(sink)
    row = next(line for line in "".join(told).splitlines() if line.startswith("| XSTest"))
    verdicts = guard.score([one["conversation"] for one in data_set])
    labels, flags = [one["label"] for one in data_set], [one.flagged for one in verdicts]
    expected = (
        f1_score(labels, flags),
        recall_score(labels, flags),
        average_precision_score(labels, [one.probability for one in verdicts]),
    )
    assert [float(cell) for cell in row.strip("| ").split("|")[1:]] == [round(one, 3) for one in expected]
    kept = json.loads((tmp_path / "out" / "xstest" / "ours.json").read_text())
    assert {number: one > 0.5 for number, one in kept.items()} == {
        one["id"]: verdict.flagged for one, verdict in zip(data_set, verdicts, strict=True)
    }


def test_the_threshold_is_the_guards_and_ranks_stay(guard, harmful, harmless):
    texts = [*harmful, *harmless]
    scores = sorted(one.score for one in guard.score(texts))
    strict = guard.calibrated(texts, target_fpr=0.1)
    assert strict.manifest.calibration.threshold > scores[len(scores) // 2]
    verdicts = strict.score(texts)
    found = moderate([[{"role": "user", "content": one}] for one in texts], guard=strict)
    assert [one > 0.5 for one in found] == [one.flagged for one in verdicts]
    assert [one.probability > 0.5 for one in verdicts] != [one.flagged for one in verdicts]
    assert sorted(range(len(texts)), key=found.__getitem__) == sorted(
        range(len(texts)), key=lambda number: verdicts[number].probability
    )


def test_a_flag_at_no_probability_is_still_a_flag():
    assert _moved(Checked(flagged=True, probability=0.0)) > 0.5
    assert _moved(Checked(flagged=False, probability=1.0)) <= 0.5
    assert math.isclose(_moved(Checked.not_judged("an image")), 1.0)


def test_what_cannot_be_judged_counts_as_harmful_and_is_told(guard, harmless, unjudgeable):
    given = [[{"role": "user", "content": harmless[0]}], *unjudgeable]
    with pytest.warns(UserWarning, match="3 of 4 conversations could not be judged"):
        found = moderate(given, guard=guard)
    assert found[0] < 0.5
    assert found[1:] == [1.0, 1.0, 1.0]
