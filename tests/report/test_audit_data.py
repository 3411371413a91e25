import pytest

from latentguard.data import Prompt, Split
from latentguard.errors import TooFewPrompts
from latentguard.report.audit_data import AuditData


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


def _pairs(n: int) -> list[Prompt]:
    return [
        Prompt.of(f"{label} half of pair {index}", label=label, base_id=f"pair {index}")
        for index in range(n)
        for label in ("harmful", "harmless")
    ]


def test_thinning_keeps_whole_pairs_and_every_measured_prompt_and_says_so():
    parts = {"train": _pairs(40), "validation": _pairs(20), "test": _pairs(10)}
    data = AuditData(split=Split(**parts), name="pairs", most_fitting=(30, 12))
    thin = data.thinned()
    assert (len(thin.split.train), len(thin.split.validation)) == (30, 12)
    assert thin.measured == data.measured
    for part in (thin.split.train, thin.split.validation):
        assert sum(prompt.label == "harmful" for prompt in part) * 2 == len(part)
        assert len({prompt.base_id for prompt in part}) * 2 == len(part)
    assert "42 of 120 prompts" in thin.limits[-1]
    backwards = Split(train=parts["train"][::-1], validation=parts["validation"], test=parts["test"])
    again = AuditData(split=backwards, name="pairs", most_fitting=(30, 12)).thinned()
    assert {prompt.text for prompt in again.split.train} == {prompt.text for prompt in thin.split.train}


def test_nothing_is_thinned_that_is_small_enough_or_unlimited():
    split = Split(train=_pairs(5), validation=_pairs(3), test=_pairs(3))
    for most in (None, (10, 6), (300, 120)):
        assert AuditData(split=split, name="pairs", most_fitting=most).thinned().split is split


@pytest.mark.parametrize("missing", ["harmful", "harmless"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_with_one_class_is_refused_by_name(missing, part):
    both = [*_prompts("harmful", 3), *_prompts("harmless", 3)]
    one = [prompt for prompt in both if prompt.label != missing]
    parts = {"train": both, "validation": [], "test": both} | {part: one}
    with pytest.raises(TooFewPrompts, match=f"no prompt labelled '{missing}' is in the {part} part"):
        AuditData(split=Split(**parts), name="mine")
