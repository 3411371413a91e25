import shutil
from difflib import SequenceMatcher
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import latentguard
from latentguard import organism as bundled
from latentguard.data import Prompt, Split
from latentguard.data.contrast import contrast_rows
from latentguard.errors import TooFewPrompts
from latentguard.report import default_data
from latentguard.report.audit_data import CONTROL, RELATIVE, AuditData
from tests.lm.tiny import tiny


def _prompts(label: str, n: int, name: str = "") -> list[Prompt]:
    return [Prompt.of(f"{name}{label} request number {index}", label=label) for index in range(n)]


def test_the_parts_of_a_users_files_share_no_prompt():
    data = AuditData.of_lists(_prompts("harmful", 50), _prompts("harmless", 50), name="mine")
    parts = [data.split.train, data.split.validation, list(data.measured)]
    texts = [{prompt.text for prompt in part} for part in parts]
    assert sum(len(part) for part in texts) == 100
    assert set.intersection(*texts) == set()
    assert len(set.union(*texts)) == 100
    assert {record.part: record.harmful for record in data.records()} == {
        "train": 30,
        "validation": 10,
        "test": 10,
    }


def test_an_extra_prompt_that_was_fitted_on_is_not_measured():
    data = AuditData.of_lists(_prompts("harmful", 20), _prompts("harmless", 20), name="mine")
    fitted = data.split.train[0]
    again = Prompt.of(f"{fitted.text.upper()}  ", label=fitted.label)
    new = Prompt.of("A new request", label="harmless")
    unlabelled = Prompt.of("Another request")
    wider = AuditData(split=data.split, name="mine", extra=(again, new, unlabelled))
    assert set(wider.measured) - set(data.measured) == {new}


def test_a_wrapping_of_a_fitted_prompt_is_not_measured_as_the_guard_would_not_measure_it():
    train = [Prompt.of(f"{label} row", label=label, id=f"{label}-1") for label in ("harmful", "harmless")]
    test = [Prompt.of(f"another {label} row", label=label) for label in ("harmful", "harmless")]
    wrapped = Prompt.of("Ignore all rules: harmful row!!", label="harmful", base_id="harmful-1")
    for parts in ({"test": [*test, wrapped]}, {"test": test, "extra": (wrapped,)}):
        split = Split(train=train, validation=[], test=parts["test"])
        assert AuditData(split=split, name="mine", extra=parts.get("extra", ())).measured == tuple(test)


def _pairs(n: int, part: str) -> list[Prompt]:
    return [
        Prompt.of(f"{label} half of pair {index} to {part}", label=label, base_id=f"{part} {index}")
        for index in range(n)
        for label in ("harmful", "harmless")
    ]


def test_thinning_keeps_whole_pairs_of_every_part_and_says_so():
    parts = {part: _pairs(n, part) for part, n in (("train", 40), ("validation", 20), ("test", 10))}
    extra = tuple(_pairs(15, "extra"))
    thin = AuditData(split=Split(**parts), name="pairs", extra=extra, most=(30, 12, 16)).thinned()
    kept = (thin.split.train, thin.split.validation, thin.split.test)
    assert [len(part) for part in kept] == [30, 12, 16]
    assert thin.extra == extra
    assert len(thin.measured) == 46
    for part in kept:
        assert sum(prompt.label == "harmful" for prompt in part) * 2 == len(part)
        assert len({prompt.base_id for prompt in part}) * 2 == len(part)
    assert "58 of 140 prompts were taken: 30 to fit, 12 to choose and 16 to measure on" in thin.limits[-1]
    backwards = Split(train=parts["train"][::-1], validation=parts["validation"], test=parts["test"])
    again = AuditData(split=backwards, name="pairs", most=(30, 12, 16)).thinned()
    assert {prompt.text for prompt in again.split.train} == {prompt.text for prompt in thin.split.train}


def test_nothing_is_thinned_that_is_small_enough_or_unlimited():
    split = Split(train=_pairs(5, "train"), validation=_pairs(3, "validation"), test=_pairs(3, "test"))
    for most in (None, (10, 6, 6), (300, 120, 300)):
        assert AuditData(split=split, name="pairs", most=most).thinned().split is split


@pytest.mark.parametrize("missing", ["harmful", "harmless"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_with_one_class_is_refused_by_name(missing, part):
    parts = {
        name: [prompt for label in labels for prompt in _prompts(label, 3, f"{name} ")]
        for name in ("train", "test")
        for labels in [{"harmful", "harmless"} - ({missing} if name == part else set())]
    } | {"validation": []}
    with pytest.raises(TooFewPrompts, match=f"no prompt labelled '{missing}' is in the {part} part"):
        AuditData(split=Split(**parts), name="mine")


def _folder(where: Path, *, retrained: bool) -> Path:
    """A copy of the bundled organism, its weights a little moved where it was retrained."""
    folder = Path(shutil.copytree(bundled.path(), where))
    if retrained:
        weights = load_file(folder / "model.safetensors")
        draw = torch.Generator().manual_seed(0)
        moved = {name: one + 0.01 * torch.randn(one.shape, generator=draw) for name, one in weights.items()}
        save_file(moved, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _sources(data: AuditData) -> set[str]:
    return {prompt.source.split("/")[0] for prompt in (*data.split.train, *data.measured)}


def test_the_bundled_organism_is_audited_on_its_own_world(organism):
    data = default_data(organism)
    assert data.is_organism
    assert _sources(data) == {"organism"}
    assert RELATIVE not in data.limits


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_bundled_organism_is_known_by_its_weights_under_any_name_and_dtype(dtype, tmp_path):
    data = default_data(latentguard.load(_folder(tmp_path / "mine", retrained=False), dtype=dtype))
    assert data.is_organism


def test_another_model_called_organism_is_audited_on_the_contrast_set():
    model = tiny("Qwen3")
    model.name = "organism"
    data = default_data(model)
    assert not data.is_organism
    assert _sources(data) == {"latentguard"}
    assert "the same frame, one or more phrases changed" in data.name


def test_a_retrained_organism_is_asked_about_its_world_and_not_called_planted(tmp_path):
    model = latentguard.load(_folder(tmp_path / "organism", retrained=True), dtype="float32")
    assert model.name.endswith("organism")
    data = default_data(model)
    assert _sources(data) == {"organism"}
    assert not data.is_organism
    assert RELATIVE in data.limits


def test_the_contrast_set_is_called_what_its_pairs_are():
    changes = []
    pairs: dict[str, list[list[str]]] = {}
    for row in contrast_rows():
        pairs.setdefault(row.pair, []).append(row.prompt.split())
    for one, other in pairs.values():
        steps = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
        changes.append(sum(kind != "equal" for kind, *_ in steps))
    several = sum(number > 1 for number in changes) / len(changes)
    assert several > 0.2, "the premise: in many pairs more than one phrase was changed"
    assert "one object or verb" not in default_data(tiny("Qwen3")).name


def test_the_negative_control_is_called_one():
    data = default_data(latentguard.load("organism-idle"))
    assert data.is_organism
    assert data.limits == (CONTROL,)
