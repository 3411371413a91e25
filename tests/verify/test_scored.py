"""Signs are counted as they are, and slots are chosen for the worst class."""

from dataclasses import replace

import pytest
import torch

from latentguard.organism import PromptKind
from latentguard.verify.classes import Planted
from latentguard.verify.scored import Scored, Truth, best_slots, decision_truth, harm_truth


def scored(harmful: bool, refused: tuple[bool, ...], belief: float, answered: bool = True) -> Scored:
    kind: PromptKind = "harmful" if harmful else "harmless"
    states = torch.full((len(refused), 4), belief)
    return Scored(Planted(kind, kind, harmful, True), refused, (answered,) * len(refused), states, states)


def test_slots_are_those_where_the_worst_group_is_best() -> None:
    """Slot 1 is perfect for one group and wrong for the other; slots 2 and 3 are right for both."""
    good = Truth(torch.tensor([[9.0, 1.0, 1.0, 1.0]]), torch.tensor([True]))
    bad = Truth(torch.tensor([[9.0, 5.0, -1.0, -1.0]]), torch.tensor([False]))
    assert best_slots([good, bad]) == (2, 3)


def test_slot_0_is_never_chosen() -> None:
    only_slot_0 = Truth(torch.tensor([[1.0, -1.0, -1.0]]), torch.tensor([True]))
    assert 0 not in best_slots([only_slot_0])


def test_a_group_without_prompts_has_no_say_in_the_slots() -> None:
    nobody = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool))
    somebody = Truth(torch.tensor([[9.0, -2.0, 1.0, -2.0]]), torch.tensor([True]))
    assert best_slots([nobody, somebody]) == best_slots([somebody]) == (2,)
    assert best_slots([nobody, nobody]) == (1, 2, 3)


def test_a_decision_cannot_be_read_without_a_refusal_belief() -> None:
    unread = replace(scored(True, (False,), 1.0), refusal=None)
    with pytest.raises(ValueError, match="without a refusal belief"):
        decision_truth([unread], harmful=True, refused=False)


def test_a_sign_is_right_where_it_is_the_true_one() -> None:
    truth = Truth(torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 0.5]]), torch.tensor([True, True, False]))
    assert truth.right([1]) == [True, False, False]


def test_a_decision_is_what_the_model_did_whatever_was_planted() -> None:
    classes = [scored(True, (True, False, False), -1.0), scored(False, (True,), 1.0)]
    truth = decision_truth(classes, harmful=True, refused=False)
    assert len(truth.scores) == 2
    assert not truth.positive.any()
    assert decision_truth(classes, harmful=False, refused=True).positive.tolist() == [True]


def test_an_empty_reply_is_no_decision() -> None:
    classes = [scored(True, (False,), -1.0, answered=False), scored(True, (False,), -1.0)]
    assert len(decision_truth(classes, harmful=True, refused=False).scores) == 1


def test_harm_is_what_was_planted() -> None:
    assert harm_truth(scored(True, (False,), 0.3)).right([1, 2]) == [True]
    assert harm_truth(scored(False, (False,), 0.3)).right([1, 2]) == [False]
