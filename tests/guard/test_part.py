"""A guard beside the beginning of its model judges as beside the whole, or is refused by name."""

import json
from pathlib import Path

import pytest

from latentguard.data import Prompt
from latentguard.errors import ArtefactMismatch, ModelNotSupported
from latentguard.guard import Guard, blocks_read, read_manifest, require_depth
from latentguard.lm import LanguageModel, load
from tests.guard.toy import toy_prompts
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen3")
    tiny_module("Qwen3", seed=3).save_pretrained(folder)
    byte_level(CHATML).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def whole(place: Path) -> LanguageModel:
    return load(place, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def shallow(whole: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """Reads slots 1 and 2 of 0..4."""
    prompts = toy_prompts(range(40))
    return Guard.fit(
        whole,
        [one for one in prompts if one.label == "harmful"],
        [one for one in prompts if one.label == "harmless"],
        method="belief",
        slots=[1, 2],
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )


@pytest.fixture(scope="module")
def folder(shallow: Guard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("guards") / "shallow"
    shallow.save(place)
    return place


def older(folder: Path, to: Path) -> Path:
    """The same guard, as it was written before beginnings were recorded."""
    manifest = json.loads((folder / "guard.json").read_text())
    del manifest["model"]["beginnings"], manifest["model"]["loaded_blocks"]
    to.mkdir()
    (to / "guard.json").write_text(json.dumps(manifest))
    (to / "guard.safetensors").write_bytes((folder / "guard.safetensors").read_bytes())
    return to


def test_scores_beside_the_beginning_are_those_beside_the_whole(
    shallow: Guard, folder: Path, place: Path, unseen: list[Prompt]
) -> None:
    assert blocks_read(read_manifest(folder)) == 2
    beside = Guard.load(folder, load(place, device="cpu", dtype="float32", blocks=2))
    assert beside.transfer == ()
    assert list(beside.score(unseen)) == list(shallow.score(unseen))


def test_the_refusal_beliefs_slots_are_read_too(guard: Guard) -> None:
    assert guard.manifest.refusal is not None
    assert blocks_read(guard.manifest) == max(*guard.manifest.fitted.slots, *guard.manifest.refusal.slots)


def test_the_beginning_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    tiny_module("Qwen3", seed=4).save_pretrained(tmp_path)
    byte_level(CHATML).save_pretrained(tmp_path)
    other = load(tmp_path, device="cpu", dtype="float32", blocks=2)
    with pytest.raises(ArtefactMismatch, match="another model: weights differ"):
        Guard.load(folder, other)
    assert Guard.load(folder, other, transfer=True).transfer == ("weights",)


def test_an_older_guard_is_refused_beside_a_beginning_until_it_was_saved_beside_the_whole(
    folder: Path, place: Path, whole: LanguageModel, tmp_path: Path, unseen: list[Prompt]
) -> None:
    written = older(folder, tmp_path / "older")
    part = load(place, device="cpu", dtype="float32", blocks=2)
    with pytest.raises(ArtefactMismatch, match=r"older version.*\n.*\.save\(folder\)"):
        Guard.load(written, part)
    Guard.load(written, whole).save(written)
    assert list(Guard.load(written, part).score(unseen)) == list(Guard.load(folder, whole).score(unseen))


def test_another_models_beginnings_are_never_written_into_a_guard(
    folder: Path, tmp_path: Path, model: LanguageModel
) -> None:
    written = older(folder, tmp_path / "older")
    tiny_module("Qwen3", seed=4).save_pretrained(tmp_path / "other")
    byte_level(CHATML).save_pretrained(tmp_path / "other")
    other = load(tmp_path / "other", device="cpu", dtype="float32")
    assert Guard.load(written, other, transfer=True).manifest.model.beginnings is None


def test_a_beginning_that_is_too_short_is_named_before_anything_is_read_wrongly(
    folder: Path, place: Path, unseen: list[Prompt]
) -> None:
    guard = Guard.load(folder, load(place, device="cpu", dtype="float32", blocks=1))
    with pytest.raises(ArtefactMismatch, match=r"mine reads slot 2; .* 1 blocks are loaded"):
        require_depth(guard, "mine")
    with pytest.raises(ModelNotSupported, match="slot 2"):
        guard.score(unseen)
