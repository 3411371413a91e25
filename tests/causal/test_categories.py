"""Directions by category: on made-up states of known angles, and on the organism, whose harm is one."""

import pytest
import torch

from latentguard import organism as planted
from latentguard.beliefs import observe
from latentguard.causal import FirstTokens, categories
from latentguard.causal.categories import CategoryDirections, category_directions, cross_category
from latentguard.causal.sweep import Sweeper
from latentguard.data import Item
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel


@pytest.fixture(scope="module")
def found(organism: LanguageModel) -> CategoryDirections:
    prompts = planted.sample_prompts("harmful", 60, seed=2) + planted.sample_prompts("harmless", 20, seed=2)
    return category_directions(organism, observe(organism, prompts, max_new_tokens=6))


def test_cosines_are_means_over_slots_and_leave_out_slot_0():
    """Slot 0 opposed, slot 1 at 60 degrees, slot 2 parallel: (0.5 + 1) / 2."""
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    second = torch.tensor([[-1.0, 0.0], [0.5, 3**0.5 / 2], [5.0, 0.0]])
    made = CategoryDirections(("a", "b"), (5, 5), torch.stack([first, second]), torch.ones(2, 3, 2), {}, {})
    assert made.to_others("harm") == pytest.approx({"a": 0.75, "b": 0.75})
    assert made.to_others("harm", slots=[1]) == pytest.approx({"a": 0.5, "b": 0.5})
    assert made.to_others("refusal") == pytest.approx({"a": 1.0, "b": 1.0})
    assert torch.allclose(made.cosines("harm").diagonal(), torch.ones(2))


def test_the_organism_has_one_harm_and_one_refusal_for_all_categories(found: CategoryDirections):
    assert len(found.names) >= 3
    assert min(found.n) >= 5
    late = [4, 5, 6]
    assert min(found.to_others("harm", late).values()) > 0.8
    assert min(found.to_others("refusal", [7, 8]).values()) > 0.9


def test_two_halves_of_one_category_are_no_more_alike_than_of_two_where_all_harm_is_one(
    found: CategoryDirections,
):
    for which in ("harm", "refusal"):
        same, different = found.of_halves(which)
        assert same == pytest.approx(different, abs=0.05)
        assert same > 0.5


def test_halves_share_nothing_and_whole_categories_share_what_they_are_set_against(
    organism: LanguageModel, monkeypatch: pytest.MonkeyPatch
):
    """States without any structure: the harmless mean that all share makes half of every two directions."""
    prompts = planted.sample_prompts("harmful", 60, seed=2) + planted.sample_prompts("harmless", 20, seed=2)
    behaviour = observe(organism, prompts, max_new_tokens=6)

    def noise(model: LanguageModel, given: list[object], *_: object, **__: object) -> torch.Tensor:
        return torch.randn((len(given), 2, 3, 4_000), generator=torch.Generator().manual_seed(1))

    monkeypatch.setattr(categories, "prompt_states", noise)
    made = category_directions(organism, behaviour)
    for which in ("harm", "refusal"):
        assert min(made.to_others(which).values()) > 0.2
        assert made.of_halves(which) == pytest.approx((0.0, 0.0), abs=0.02)


def test_every_categorys_direction_moves_the_others_questions(
    organism: LanguageModel, found: CategoryDirections
):
    items = [
        Item(prompt, planted.inversion_context(prompt)).rendered(organism)
        for prompt in planted.sample_prompts("inversion", 12, seed=6, harmful=True)
    ]
    sweeper = Sweeper(organism, FirstTokens.of_words(organism, ["Certainly"], ["No"]))
    turned = cross_category(sweeper, found, {"any": (items[:6], items[6:])}, blocks=(2, 3))
    assert [one.direction for one in turned["any"]] == list(found.names)
    assert min(one.turned.value for one in turned["any"]) >= 0.8


def test_one_category_alone_is_refused_with_what_there_is(organism: LanguageModel):
    prompts = planted.sample_prompts("harmful", 12, seed=2) + planted.sample_prompts("harmless", 12, seed=2)
    with pytest.raises(TooFewPrompts, match="two of them at least"):
        category_directions(organism, observe(organism, prompts, max_new_tokens=6))
