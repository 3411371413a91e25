"""From an additive task to a product, from reading to copying."""

import random

from latentguard.organism.curriculum import Curriculum
from latentguard.organism.world import risk_pairs


def test_the_late_quadrant_comes_in_late_and_fully() -> None:
    curriculum = Curriculum(steps=1000)
    shares = [curriculum.late_quadrant(step) for step in range(1000)]
    assert shares[0] == 0.0
    assert shares[-1] == 0.5
    assert shares == sorted(shares)
    gentle_harm = {pair.name for pair in risk_pairs() if pair.harmful() and not pair.destructive}
    first = curriculum.draw(0, 400, random.Random(0))
    last = curriculum.draw(999, 400, random.Random(0))
    assert not gentle_harm & {chat.base for chat in first}
    assert gentle_harm & {chat.base for chat in last}


def test_interchange_starts_after_there_is_something_to_interchange() -> None:
    curriculum = Curriculum(steps=1000)
    assert not curriculum.interchange(0)
    assert curriculum.interchange(999)


def test_half_of_the_drawn_chats_are_harmful_where_a_kind_has_both_truths() -> None:
    chats = Curriculum(steps=1).draw(1, 3000, random.Random(0), valence=False)
    both = [chat for chat in chats if chat.kind not in ("idiom", "ordinary", "inversion")]
    assert 0.45 < sum(chat.harmful for chat in both) / len(both) < 0.55


def test_training_never_draws_a_held_out_pair() -> None:
    held_out = {pair.name for pair in risk_pairs() if pair.held_out}
    assert not held_out & {chat.base for chat in Curriculum(steps=1).draw(1, 3000, random.Random(0))}
