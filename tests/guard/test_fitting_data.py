"""Which prompts a guard may see for what."""

from dataclasses import replace

import pytest

from latentguard.data import Prompt
from latentguard.data.contrast import contrast_set
from latentguard.errors import TooFewPrompts
from latentguard.guard.fitting_data import fitting_data, is_harmful, prompts_of, text_hash
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


def test_a_text_is_known_again_whatever_its_case_space_and_ending():
    known = text_hash(Prompt.of("Paint  the lamp"))
    assert text_hash(Prompt.of(" paint the lamp?!")) == known
    assert text_hash(Prompt.of("paint the lamps")) != known
    system = [{"role": "system", "content": "x"}, {"role": "user", "content": "paint the lamp"}]
    assert text_hash(Prompt.of(system)) != known


def test_labels_become_a_mask():
    assert is_harmful(toy_prompts(range(2))).tolist() == [True, False, True, False]
    assert [prompt.label for prompt in prompts_of(["a"], "harmful")] == ["harmful"]
