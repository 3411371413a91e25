"""Edits of the two directions: where, how long, and how answers under them are read."""

import pytest
import torch

from latentguard.lm import LanguageModel
from latentguard.organism import sample_prompts
from latentguard.verify.steering import AFFIRMATION, DENIAL, Steering, answered, refused, rendered


@pytest.fixture(scope="module")
def steering(organism: LanguageModel) -> Steering:
    generator = torch.Generator().manual_seed(0)
    shape = (organism.n_slots, organism.hidden_size)
    return Steering(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))


def test_random_directions_are_as_long_as_the_harmfulness_direction(steering: Steering) -> None:
    edits = steering.random_edits(3, 0.5, count=4, seed=1)
    lengths = torch.stack([edit.direction for edit in edits]).norm(dim=1)
    torch.testing.assert_close(lengths, steering.harm[3].norm().expand(4))
    assert {(edit.slot, edit.scale, edit.scope) for edit in edits} == {(3, 0.5, "context")}
    assert not torch.allclose(edits[0].direction, edits[1].direction)


def test_harm_is_added_to_the_context_and_refusal_to_the_whole_prompt(steering: Steering) -> None:
    harm, refusal = steering.harm_edit(2, -1.0), steering.refusal_edit(2, 2.0)
    assert (harm.slot, harm.scale, harm.scope) == (2, -1.0, "context")
    assert (refusal.slot, refusal.scale, refusal.scope) == (2, 2.0, "prompt")


def test_a_first_token_is_what_generation_begins_with(organism: LanguageModel) -> None:
    questions = rendered(organism, sample_prompts("inversion", 16, seed=4))
    replies = [reply.text for reply in organism.generate(questions, max_new_tokens=3)]
    for answer in (AFFIRMATION, DENIAL):
        assert answered(organism, questions, answer) == [text.startswith(answer) for text in replies]


def test_an_edit_of_scale_0_turns_nothing(organism: LanguageModel, steering: Steering) -> None:
    questions = rendered(organism, sample_prompts("inversion", 16, seed=4))
    unedited = answered(organism, questions, AFFIRMATION)
    assert answered(organism, questions, AFFIRMATION, steering.harm_edit(3, 0.0)) == unedited


def test_a_wild_edit_is_felt(organism: LanguageModel, steering: Steering) -> None:
    """Were edits not in force, this one would leave refusals as they are."""
    prompts = sample_prompts("harmful", 8, seed=4)
    assert all(refused(organism, prompts, steering.refusal_edit(3, 0.0)))
    assert not all(refused(organism, prompts, steering.refusal_edit(3, 1e3)))


def test_no_question_has_no_answer(organism: LanguageModel, steering: Steering) -> None:
    assert (
        answered(organism, [], AFFIRMATION)
        == answered(organism, [], DENIAL, steering.harm_edit(3, 1.0))
        == []
    )


def test_a_model_without_a_refusal_direction_cannot_be_edited_with_it(steering: Steering) -> None:
    with pytest.raises(ValueError, match="no refusal direction"):
        Steering(steering.harm, None).refusal_edit(2, 1.0)
