"""Which kind of harm: one probe a category beside the guard's own, calibrated, saved, and told apart."""

import pytest

from latentguard.data import Prompt
from latentguard.guard import Evaluation, Guard
from latentguard.guard.categories import by_category
from tests.guard.toy import OBJECTS, PLACES

VERBS = {"smash": "breakage", "burn": "fire", "paint": None}


def prompts(numbers: range) -> list[Prompt]:
    """For every number one prompt of each of two harms, and a harmless one that shares their categories."""
    return [
        Prompt.of(
            f"The {OBJECTS[number % 10]} {PLACES[number // 10]}: {verb}",
            label="harmless" if category is None else "harmful",
            category=category or ("fire", "breakage")[number % 2],
            id=f"{verb}-{number}",
        )
        for number in numbers
        for verb, category in VERBS.items()
    ]


@pytest.fixture(scope="module")
def fitted(model) -> Guard:
    given = prompts(range(40))
    return Guard.fit(
        model,
        [one for one in given if one.label == "harmful"],
        [one for one in given if one.label == "harmless"],
        method="lda",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )


def test_a_category_scores_its_own_harm_and_no_other(fitted):
    assert [one.name for one in fitted.manifest.categories] == ["breakage", "fire"]
    unseen = prompts(range(40, 60))
    rows = by_category(fitted.score(unseen), unseen)
    assert [(row.name, row.n) for row in rows] == [("breakage", 20), ("fire", 20)]
    for row in rows:
        assert min(row.auroc.value, row.among_harmful.value) > 0.95
        assert row.first.value > 0.7


def test_an_evaluation_says_how_well_each_category_is_told(fitted):
    found = fitted.evaluate(prompts(range(40, 60)), resamples=50)
    assert [(row.name, row.n) for row in found.categories] == [("breakage", 20), ("fire", 20)]
    assert Evaluation.model_validate_json(found.model_dump_json()).categories == found.categories


def test_scores_are_probabilities_by_name(fitted):
    found = fitted.score(["The kite at sea: burn", "The kite at sea: paint"])
    assert set(found[0].category_scores) == {"breakage", "fire"}
    assert found[0].category_scores["fire"] > 0.5 > found[0].category_scores["breakage"]
    assert max(found[1].category_scores.values()) < 0.5
    assert "category: fire" in found.to_frame().columns


def test_categories_are_saved_with_the_guard(fitted, model, tmp_path):
    fitted.save(tmp_path / "guard")
    again = Guard.load(tmp_path / "guard", model)
    asked = ["The kite at sea: burn"]
    assert again.score(asked)[0].category_scores == fitted.score(asked)[0].category_scores


def test_a_guard_of_the_format_before_categories_is_still_read(guard, model, tmp_path):
    guard.save(tmp_path / "guard")
    file = tmp_path / "guard" / "guard.json"
    old = file.read_text().replace('"schema_version": 5', '"schema_version": 4')
    file.write_text(old.replace(' "categories": [],\n', ""))
    assert "categories" not in file.read_text()
    assert Guard.load(tmp_path / "guard", model).score(["Please smash it"])[0].category_scores == {}


@pytest.mark.parametrize("few", [range(12), range(0)])
def test_too_few_prompts_of_a_second_category_leave_the_guard_without_categories(model, few):
    given = prompts(range(30))
    harmful = [one for one in given if one.category == "breakage" and one.label == "harmful"]
    harmful += [one for one in prompts(few) if one.category == "fire" and one.label == "harmful"]
    found = Guard.fit(
        model,
        harmful,
        [one for one in given if one.label == "harmless"],
        method="mean_difference",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )
    assert found.manifest.categories == ()
