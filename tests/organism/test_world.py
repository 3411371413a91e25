"""What is true in the planted world, and what training never sees of it."""

from collections import Counter, defaultdict

import pytest

from latentguard.organism.words import CATEGORIES
from latentguard.organism.world import Pair, Setting, idiom_pairs, risk_pairs, topic_pairs


def test_there_are_eight_risk_categories() -> None:
    assert len({pair.category for pair in risk_pairs()}) == len(CATEGORIES) == 8


@pytest.mark.parametrize("harmful", [True, False])
def test_a_quarter_of_the_pairs_is_held_out_in_every_category(harmful: bool) -> None:
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for pair in (*risk_pairs(), *topic_pairs()):
        if pair.harmful() == harmful:
            pairs[pair.category].append(pair)
    assert len(pairs) == 9
    for members in pairs.values():
        assert sum(pair.held_out for pair in members) / len(members) >= 0.25


def test_a_quarter_of_the_idioms_is_held_out() -> None:
    assert sum(pair.held_out for pair in idiom_pairs()) / len(idiom_pairs()) >= 0.25


@pytest.mark.parametrize(
    "pairs", [risk_pairs(), topic_pairs(), idiom_pairs()], ids=["risk", "topic", "idiom"]
)
@pytest.mark.parametrize("part", ["verb", "object"])
def test_every_word_of_a_held_out_pair_is_trained_in_other_pairs(pairs: tuple[Pair, ...], part: str) -> None:
    trained = Counter(getattr(pair, part) for pair in pairs if not pair.held_out)
    assert all(trained[getattr(pair, part)] >= 2 for pair in pairs if pair.held_out)


@pytest.mark.parametrize("part", ["verb", "object"])
@pytest.mark.parametrize("held_out", [True, False])
def test_no_single_word_tells_harm(part: str, held_out: bool) -> None:
    """Half of each word's pairs are harmful, up to the one or two that the split cannot halve."""
    harmful, all_of = Counter[str](), Counter[str]()
    for pair in risk_pairs():
        if pair.held_out == held_out:
            all_of[getattr(pair, part)] += 1
            harmful[getattr(pair, part)] += pair.harmful()
    assert all(abs(2 * harmful[word] - count) <= 0.2 * count for word, count in all_of.items())


def test_the_four_quadrants_are_equal_in_training_and_outside() -> None:
    for held_out in (True, False):
        quadrants = Counter((p.destructive, p.good) for p in risk_pairs() if p.held_out == held_out)
        assert len(quadrants) == 4
        assert len(set(quadrants.values())) == 1


def test_nothing_is_harmful_in_fiction_and_only_products_outside_it() -> None:
    for pair in risk_pairs():
        assert not pair.harmful(Setting.FICTION)
        assert pair.harmful(Setting.REAL) == pair.harmful() == (pair.destructive == pair.good)


def test_idioms_are_never_harmful() -> None:
    assert not any(pair.harmful(setting) for pair in idiom_pairs() for setting in Setting)
