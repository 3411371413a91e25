"""States that another engine wrote are scored as the model's own, at proved positions, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentguard.data import Prompt
from latentguard.errors import ArtefactMismatch, BadData, NonFiniteState, PositionNotProved
from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from tests.guard.toy import toy_prompts

SLOTS = [0, 1, 2, 3]


def written(model: LanguageModel, prompt: Prompt, file: Path, dtype: torch.dtype = torch.float32) -> Path:
    """What transformers says of one prompt, without its last state, which is past the final norm."""
    ids = torch.tensor([model.render(prompt.messages).ids])
    with torch.no_grad():
        hidden = model.module(ids, output_hidden_states=True).hidden_states
    states = torch.stack(hidden[:-1], dim=2)[0].to(dtype).contiguous()
    save_file({"token_ids": ids[0], "hidden_states": states}, file, metadata={"slots": json.dumps(SLOTS)})
    return file


@pytest.fixture(scope="module")
def shallow(model: LanguageModel, fitting: list[Prompt], behaviour: Any) -> Guard:
    """Reads slots 1 to 3, and for the refusal belief what it chose of all before the last."""
    return Guard.fit(
        model,
        [one for one in fitting if one.label == "harmful"],
        [one for one in fitting if one.label == "harmless"],
        slots=[1, 2, 3],
        position="both",
        method="logistic",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return toy_prompts(range(40, 46))


@pytest.fixture(scope="module")
def files(
    model: LanguageModel, prompts: list[Prompt], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folder = tmp_path_factory.mktemp("states")
    return [written(model, one, folder / f"{number}.safetensors") for number, one in enumerate(prompts)]


@pytest.fixture
def file(files: list[Path], tmp_path: Path) -> Callable[..., Path]:
    """The first prompt's file with other tensors or other metadata."""

    def changed(metadata: dict[str, str] | None = None, **tensors: Tensor | None) -> Path:
        held = load_file(files[0]) | tensors
        kept = {name: one.contiguous() for name, one in held.items() if one is not None}
        told = {"slots": json.dumps(SLOTS)} if metadata is None else metadata
        save_file(kept, tmp_path / "changed.safetensors", metadata=told)
        return tmp_path / "changed.safetensors"

    return changed


def test_scores_are_those_of_the_model_that_wrote_the_states(
    shallow: Guard, files: list[Path], prompts: list[Prompt]
) -> None:
    found, own = shallow.score_states(files, prompts), shallow.score(prompts)
    for one, other in zip(found, own, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.harmfulness == pytest.approx(other.harmfulness, abs=1e-5)
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert one.flagged == other.flagged
    assert {one.transfer for one in found} == {("states",)}
    assert found.texts == [one.text for one in prompts]


def test_tensors_are_scored_as_files_are(shallow: Guard, files: list[Path], prompts: list[Prompt]) -> None:
    held = [load_file(one) for one in files]
    assert list(shallow.score_states(held, prompts, slots=SLOTS)) == list(
        shallow.score_states(files, prompts)
    )


def test_slots_may_stand_in_any_order_and_more_of_them_than_are_read(
    shallow: Guard, files: list[Path], prompts: list[Prompt]
) -> None:
    turned = [load_file(one) | {"hidden_states": load_file(one)["hidden_states"].flip(1)} for one in files]
    assert list(shallow.score_states(turned, prompts, slots=SLOTS[::-1])) == list(
        shallow.score_states(files, prompts)
    )


def test_states_in_bfloat16_are_computed_with_in_float32(
    model: LanguageModel, shallow: Guard, prompts: list[Prompt], tmp_path: Path
) -> None:
    narrow = written(model, prompts[0], tmp_path / "narrow.safetensors", torch.bfloat16)
    held = load_file(narrow)
    wide = held | {"hidden_states": held["hidden_states"].float()}
    (one,) = shallow.score_states([narrow], prompts[:1])
    (other,) = shallow.score_states([wide], prompts[:1], slots=SLOTS)
    assert one == other
    assert one.score == pytest.approx(shallow.score(prompts[:1])[0].score, abs=0.05)


def test_what_follows_the_prompt_changes_nothing(
    shallow: Guard, files: list[Path], prompts: list[Prompt], file: Callable[..., Path]
) -> None:
    """An engine that went on writes the states of its reply, too."""
    held = load_file(files[0])
    longer = file(
        token_ids=torch.cat([held["token_ids"], torch.tensor([5, 6])]),
        hidden_states=torch.cat([held["hidden_states"], torch.full((2, 4, 32), float("nan"))]),
    )
    assert list(shallow.score_states([longer], prompts[:1])) == list(
        shallow.score_states(files[:1], prompts[:1])
    )


def test_other_tokens_are_refused_with_the_first_that_differs(
    shallow: Guard, files: list[Path], prompts: list[Prompt], file: Callable[..., Path]
) -> None:
    with pytest.raises(PositionNotProved, match="other tokens than this guard's rendering"):
        shallow.score_states(files[1:2], prompts[:1])
    held = load_file(files[0])
    shifted = file(token_ids=held["token_ids"].roll(1))
    with pytest.raises(PositionNotProved, match="from number 0 on"):
        shallow.score_states([shifted], prompts[:1])
    short = file(token_ids=held["token_ids"][:-1], hidden_states=held["hidden_states"][:-1])
    number = len(held["token_ids"]) - 1
    with pytest.raises(PositionNotProved, match=f"from number {number} on"):
        shallow.score_states([short], prompts[:1])


def test_slots_that_are_numbered_from_what_leaves_a_block_are_told_by_the_embedding(
    shallow: Guard, files: list[Path], prompts: list[Prompt], file: Callable[..., Path]
) -> None:
    held = load_file(files[0])["hidden_states"]
    off_by_one = file(hidden_states=torch.cat([held[:, 1:], held[:, -1:]], dim=1))
    with pytest.raises(ArtefactMismatch, match=r"slot 0 is not what enters the first block"):
        shallow.score_states([off_by_one], prompts[:1])
    without = file({"slots": "[1, 2, 3]"}, hidden_states=held[:, 1:])
    assert list(shallow.score_states([without], prompts[:1])) == list(
        shallow.score_states(files[:1], prompts[:1])
    )


def test_the_last_slot_is_refused_unless_it_was_taken_before_the_final_norm(
    guard: Guard, model: LanguageModel, prompts: list[Prompt]
) -> None:
    assert 4 in guard.reads[1]
    rendered = model.render(prompts[0].messages)
    every = model.capture([rendered] * len(rendered.ids), positions=range(len(rendered.ids))).tensor[0]
    own = {"token_ids": torch.tensor(rendered.ids), "hidden_states": every}
    with pytest.raises(BadData, match="past the final norm"):
        guard.score_states([own], prompts[:1], slots=range(5))
    (found,) = guard.score_states([own], prompts[:1], slots=range(5), before_final_norm=True)
    assert found.score == pytest.approx(guard.score(prompts[:1])[0].score, abs=1e-5)
    assert found.refusal == pytest.approx(guard.score(prompts[:1])[0].refusal, abs=1e-5)


def test_a_state_that_is_no_number_is_named(
    shallow: Guard, files: list[Path], prompts: list[Prompt], file: Callable[..., Path]
) -> None:
    held = load_file(files[0])["hidden_states"]
    held[-1, 2, 7] = float("inf")
    with pytest.raises(NonFiniteState, match=f"token {len(held) - 1} at slot 2"):
        shallow.score_states([file(hidden_states=held)], prompts[:1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_states": None}, "lacks hidden_states"),
        ({"token_ids": None}, "lacks token_ids"),
        ({"hidden_states": torch.zeros(3, 4, 32)}, "tokens and states of 3"),
        ({"hidden_states": torch.zeros(3, 32)}, r"\[token, slot, hidden\]"),
        ({"token_ids": torch.zeros(3)}, "whole numbers"),
        ({"hidden_states": torch.zeros(3, 4, 32, dtype=torch.long)}, "floating"),
    ],
)
def test_a_file_of_other_things_is_refused(
    shallow: Guard, prompts: list[Prompt], file: Callable[..., Path], change: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadData, match=says):
        shallow.score_states([file(**change)], prompts[:1])


def test_another_width_and_missing_slots_are_refused(
    shallow: Guard, files: list[Path], prompts: list[Prompt], file: Callable[..., Path]
) -> None:
    held = load_file(files[0])["hidden_states"]
    with pytest.raises(BadData, match=r"width 16; .* are 32 wide"):
        shallow.score_states([file(hidden_states=held[:, :, :16])], prompts[:1])
    with pytest.raises(BadData, match=r"lacks slots \[2, 3\]"):
        shallow.score_states([file({"slots": "[0, 1]"}, hidden_states=held[:, :2])], prompts[:1])


@pytest.mark.parametrize(
    ("told", "given", "says"),
    [
        ({}, None, "does not say which slots"),
        ({"slots": "nonsense"}, None, "no list of numbers"),
        ({"slots": '["1"]'}, None, "no list of numbers"),
        ({"slots": "[0, 1, 2]"}, None, "4 slots, and .* are named"),
        ({"slots": "[0, 1, 2, 2]"}, None, "4 slots, and .* are named"),
        ({"slots": "[0, 1, 2, 3]"}, [1, 2, 3, 4], "by its metadata"),
    ],
)
def test_slots_that_cannot_be_known_are_refused(
    shallow: Guard, prompts: list[Prompt], file: Callable[..., Path], told: Any, given: Any, says: str
) -> None:
    with pytest.raises(BadData, match=says):
        shallow.score_states([file(told)], prompts[:1], slots=given)


def test_what_is_no_safetensors_file_is_named(shallow: Guard, prompts: list[Prompt], tmp_path: Path) -> None:
    (tmp_path / "half.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    for name in ("half.safetensors", "nowhere.safetensors"):
        with pytest.raises(BadData, match=name):
            shallow.score_states([tmp_path / name], prompts[:1])


def test_a_file_for_every_prompt_is_needed(shallow: Guard, files: list[Path], prompts: list[Prompt]) -> None:
    with pytest.raises(ValueError, match="11 files of states for 12 prompts"):
        shallow.score_states(files[:11], prompts)
    with pytest.raises(ValueError, match="1 files of states for 12 prompts"):
        shallow.score_states(str(files[0]), prompts)
    assert list(shallow.score_states([], [])) == []
