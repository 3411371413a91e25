"""Datasets of the `datasets` library, saved in a folder or loaded by id, without a network."""

import json

import datasets
import pyarrow
import pytest

from latentguard.data import read_prompts
from latentguard.errors import BadData

ROWS = {"prompt": ["Bake bread", "Bake cake"], "label": ["harmless", "harmful"], "other": [1, 2]}


@pytest.fixture
def hub(monkeypatch):
    """Stands in for the hub: what `load_dataset` returns for an id, and the ids asked for."""
    known, asked = {}, []

    def load_dataset(name, config=None):
        asked.append((name, config))
        if name not in known:
            raise datasets.exceptions.DatasetNotFoundError(f"Dataset '{name}' doesn't exist on the Hub")
        return known[name]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    known["asked"] = asked
    return known


def test_an_id_is_loaded_and_its_rows_are_named_after_it(hub):
    hub["acme/breads"] = datasets.DatasetDict(train=datasets.Dataset.from_dict(ROWS))
    prompts = read_prompts("acme/breads")
    assert [(p.text, p.label, p.source) for p in prompts] == [
        ("Bake bread", "harmless", "acme/breads"),
        ("Bake cake", "harmful", "acme/breads"),
    ]
    assert hub["asked"] == [("acme/breads", None)]


def test_config_and_split_are_part_of_the_id(hub):
    hub["acme/breads"] = datasets.DatasetDict(
        train=datasets.Dataset.from_dict(ROWS), test=datasets.Dataset.from_dict({"prompt": ["Taste it"]})
    )
    assert [p.text for p in read_prompts("acme/breads:white:test")] == ["Taste it"]
    assert [p.text for p in read_prompts("acme/breads::test")] == ["Taste it"]
    assert hub["asked"] == [("acme/breads", "white"), ("acme/breads", None)]
    with pytest.raises(BadData, match=r"has several splits.*\n.*train, test"):
        read_prompts("acme/breads")
    with pytest.raises(BadData, match="no split 'dev'"):
        read_prompts("acme/breads::dev")


def test_columns_can_be_named_and_a_missing_one_says_which_there_are(hub):
    hub["acme/breads"] = datasets.DatasetDict(train=datasets.Dataset.from_dict({"goal": ["Bake"], "n": [1]}))
    assert [p.text for p in read_prompts("acme/breads", prompt_column="goal")] == ["Bake"]
    with pytest.raises(
        BadData, match=r"acme/breads: there is no column 'prompt' or 'messages'.\n  columns: goal, n"
    ):
        read_prompts("acme/breads")


def test_class_labels_are_read_by_their_names(hub):
    features = datasets.Features(
        {"prompt": datasets.Value("string"), "label": datasets.ClassLabel(names=["harmless", "harmful"])}
    )
    rows = datasets.Dataset.from_dict({"prompt": ["a", "b"], "label": [1, 0]}, features=features)
    hub["acme/breads"] = datasets.DatasetDict(train=rows)
    assert [p.label for p in read_prompts("acme/breads")] == ["harmful", "harmless"]


def test_an_unnamed_number_as_label_is_refused_by_row(hub):
    hub["acme/breads"] = datasets.DatasetDict(
        train=datasets.Dataset.from_dict({"prompt": ["a"], "label": [1]})
    )
    with pytest.raises(BadData, match="acme/breads, row 1: the label is 1"):
        read_prompts("acme/breads")


def test_an_unknown_id_is_neither_file_nor_dataset(hub):
    with pytest.raises(BadData, match="no file acme/gone is here, and no dataset"):
        read_prompts("acme/gone")


def test_a_saved_dataset_is_read_from_its_folder(tmp_path, monkeypatch):
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "one")
    assert [p.text for p in read_prompts(tmp_path / "one")] == ["Bake bread", "Bake cake"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [p.text for p in read_prompts("~/one")] == ["Bake bread", "Bake cake"]


def test_a_folder_without_a_name_is_refused():
    with pytest.raises(BadData, match="no dataset"):
        read_prompts("/")


def test_a_text_that_is_not_utf8_is_refused(hub):
    texts = pyarrow.array([b"a", b"caf\xe9"], type=pyarrow.binary()).view(pyarrow.string())
    hub["acme/breads"] = datasets.Dataset(datasets.table.InMemoryTable(pyarrow.table({"prompt": texts})))
    with pytest.raises(BadData, match=r"acme/breads, after row \d+: a value cannot be read"):
        read_prompts("acme/breads")


def test_a_folder_of_files_is_read_as_a_dataset(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in ("a", "b")))
    assert [p.text for p in read_prompts(folder)] == ["a", "b"]
