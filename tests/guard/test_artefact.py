"""What is written can be read, and nothing else passes for it."""

import json

import pytest
import torch

from latentguard.errors import ArtefactMismatch
from latentguard.guard import Guard, read_manifest
from latentguard.guard import artefact as artefact_module
from tests.lm.tiny import tiny


@pytest.fixture
def folder(guard, tmp_path):
    guard.save(tmp_path / "guard")
    return tmp_path / "guard"


def test_a_loaded_guard_is_the_saved_one(guard, folder, model, unseen):
    loaded = Guard.load(folder, model)
    assert list(loaded.score(unseen)) == list(guard.score(unseen))
    assert loaded.notes == guard.notes
    assert {path.name for path in folder.iterdir()} == {"guard.json", "guard.safetensors"}


def test_a_folder_alone_evaluates_as_the_fitted_guard_did(guard, folder, model, unseen):
    loaded = Guard.load(folder, model).evaluate(unseen, resamples=20)
    assert loaded == guard.evaluate(unseen, resamples=20)


def test_the_record_is_read_without_a_model(guard, folder):
    assert read_manifest(folder).model.name == guard.model.name


def test_the_record_holds_every_check_of_the_model_with_its_error(folder, model):
    found = read_manifest(folder).proof
    assert found == model.proved()
    positions = found.positions
    assert positions.tokens[positions.t_inst].text == "?"
    assert {one.name for one in found.checks} >= {"chain", "slots", "readout", "causal", "capture", "batch"}
    assert json.loads((folder / "guard.json").read_text())["proof"] == found.model_dump(mode="json")


def test_neither_prompt_nor_id_is_written(folder, fitting):
    text = (folder / "guard.json").read_text()
    assert not any(prompt.text in text or prompt.id in text for prompt in fitting)


def test_saving_again_replaces_and_leaves_nothing_behind(guard, folder):
    guard.save(folder)
    assert {path.name for path in folder.parent.iterdir()} == {"guard"}


def test_a_folder_of_other_things_is_left_alone(guard, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtefactMismatch, match="other things"):
        guard.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failure_while_writing_leaves_the_old_guard_and_no_rubbish(guard, folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fails(tensors):
        raise OSError("disk full")

    monkeypatch.setattr(artefact_module, "save_tensors", fails)
    with pytest.raises(OSError, match="disk full"):
        guard.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["guard"]


def test_another_models_guard_is_refused_by_name(guard, folder):
    with pytest.raises(ArtefactMismatch, match="weights differ") as caught:
        Guard.load(folder, tiny("Qwen3", seed=4))
    assert guard.model.name in str(caught.value)


def test_transfer_is_recorded_by_every_verdict(folder, unseen):
    guard = Guard.load(folder, tiny("Qwen3", seed=4), transfer=True)
    assert {verdict.transfer for verdict in guard.score(unseen[:3])} == {("weights",)}
    assert "weights differ here" in " ".join(guard.notes)


def test_another_template_is_refused_by_name(folder, monkeypatch):
    other = tiny("Qwen3", seed=3)
    monkeypatch.setattr(type(other.chat), "template_hash", "0" * 64)
    with pytest.raises(ArtefactMismatch, match="chat template differ"):
        Guard.load(folder, other)


def test_another_tokenizer_is_refused_by_name(folder, monkeypatch):
    other = tiny("Qwen3", seed=3)
    monkeypatch.setattr(type(other.chat), "tokenizer_hash", "0" * 64)
    with pytest.raises(ArtefactMismatch, match="another model: tokenizer differ"):
        Guard.load(folder, other)


def test_the_same_weights_in_another_dtype_are_no_other_model_but_are_noted(guard, folder):
    other = tiny("Qwen3", seed=3)
    other.dtype = torch.bfloat16
    loaded = Guard.load(folder, other)
    assert loaded.transfer == ()
    assert set(loaded.notes) - set(guard.notes) == {"fitted in float32, read here in bfloat16"}


def test_a_model_of_another_shape_is_refused_even_for_transfer(folder):
    with pytest.raises(ArtefactMismatch, match="blocks of width"):
        Guard.load(folder, tiny("Qwen3", num_hidden_layers=3), transfer=True)


@pytest.mark.parametrize("name", ["guard.json", "guard.safetensors"])
def test_a_missing_file_is_named(folder, model, name):
    (folder / name).unlink()
    with pytest.raises(ArtefactMismatch, match=name):
        Guard.load(folder, model)


@pytest.mark.parametrize("name", ["guard.json", "guard.safetensors"])
def test_a_damaged_file_is_named(folder, model, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtefactMismatch, match=name):
        Guard.load(folder, model)


def test_a_single_changed_byte_of_the_tensors_is_noticed(folder, model):
    data = bytearray((folder / "guard.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "guard.safetensors").write_bytes(data)
    with pytest.raises(ArtefactMismatch, match="sha256"):
        Guard.load(folder, model)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema_version": 99}, "schema_version"),
        ({"schema_version": 1}, "schema_version"),
        ({"extra": 1}, "extra"),
        ({"calibrations": 3}, "calibrations"),
    ],
)
def test_a_record_of_another_schema_is_refused_with_the_place(folder, model, change, place):
    path = folder / "guard.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtefactMismatch, match=place):
        Guard.load(folder, model)


def test_a_record_that_speaks_of_other_tensors_is_refused(folder, model):
    path = folder / "guard.json"
    record = json.loads(path.read_text())
    record["fitted"]["slots"] = [1]
    record["permutations"] = 3
    path.write_text(json.dumps(record))
    with pytest.raises(ArtefactMismatch, match="should be"):
        Guard.load(folder, model)
