"""Which prompts a guard may see for what."""

from dataclasses import replace
from inspect import unwrap

import pytest

from latentguard.data import Prompt
from latentguard.data.contrast import contrast_set
from latentguard.errors import BadData, TooFewPrompts
from latentguard.guard.fitting_data import fitting_data, is_harmful, labelled_prompts, prompts_of
from tests.guard.toy import toy_prompts


def test_two_lists_are_split_without_a_shared_pair():
    paired = [replace(prompt, base_id=str(index // 2)) for index, prompt in enumerate(toy_prompts(range(40)))]
    data = fitting_data(paired[::2], paired[1::2], None, seed=0)
    assert len(data.train) + len(data.validation) == 80
    assert not {one.base_id for one in data.train} & {one.base_id for one in data.validation}
    assert 0.2 < len(data.validation) / 80 < 0.4


def test_the_list_a_prompt_came_in_is_its_label():
    data = fitting_data(
        ["smash it", "break it", "crush it", "bend it"] * 3, [f"paint {n}" for n in range(12)], None, seed=1
    )
    for prompt in (*data.train, *data.validation):
        assert prompt.label == ("harmless" if prompt.text.startswith("paint") else "harmful")


def test_without_data_it_is_the_contrast_set_without_its_test_part():
    data, given = fitting_data(None, None, None, seed=0), contrast_set()
    assert data.train == tuple(given.train)
    assert data.validation == tuple(given.validation)


def test_a_part_without_both_classes_is_refused_by_name():
    with pytest.raises(TooFewPrompts, match="validation prompts hold 0 harmful"):
        fitting_data(["a", "b"], ["c", "d"], [Prompt.of("e", label="harmless")], seed=0)


@pytest.mark.parametrize("arguments", [(None, ["a"], None), (["a"], None, None), (None, None, [])])
def test_contradicting_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"bring|give both"):
        fitting_data(*arguments, seed=0)


@pytest.mark.parametrize(
    "given",
    ["hello", Prompt.of("hello"), [{"role": "user", "content": "hello"}], Prompt.of("hello").messages],
    ids=["text", "prompt", "conversation", "messages"],
)
def test_one_prompt_in_place_of_a_list_is_refused_with_the_way_out(given):
    for taking in (unwrap(prompts_of), lambda given: unwrap(labelled_prompts)(given, "evaluated")):
        with pytest.raises(ValueError, match="put it in a list"):
            taking(given)


def test_prompts_that_cannot_carry_a_label_are_refused_where_labels_are_wanted():
    with pytest.raises(ValueError, match=r"Prompt\.of"):
        labelled_prompts(["hello", "you"], "evaluated")


def test_a_prompt_in_the_list_of_the_other_label_is_refused_and_counted():
    toy = toy_prompts(range(20))
    with pytest.raises(BadData, match="2 of the 22 prompts given as harmful carry the other label"):
        fitting_data([*toy[::2], *toy[1:5:2]], toy[1::2], None, seed=0)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_texts_of_both_classes_are_refused_and_counted_whatever_their_ending(part):
    toy = toy_prompts(range(20))
    twice = [
        Prompt.of(toy[0].text.upper() + "!", label="harmless"),
        Prompt.of(toy[2].text + "…", label="harmless"),
    ]
    harmless, validation = toy[1:20:2], toy[20:]
    (harmless if part == "train" else validation).extend(twice)
    with pytest.raises(BadData, match="2 texts are among the harmful and also among the harmless"):
        fitting_data(toy[:20:2], harmless, validation, seed=0)


def test_labels_become_a_mask():
    assert is_harmful(toy_prompts(range(2))).tolist() == [True, False, True, False]
    assert [prompt.label for prompt in prompts_of(["a"], "harmful")] == ["harmful"]
