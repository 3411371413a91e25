"""The planting: what is copied is one component, at the tokens meant, and the loss follows the copy."""

import random

import pytest
import torch

from latentguard.lm import AddDirection, LanguageModel
from latentguard.organism.architecture import Network, build, logits, slots
from latentguard.organism.batches import Row, padded, row
from latentguard.organism.grammar import Chat, Grammar
from latentguard.organism.interchange import (
    Added,
    Component,
    Copied,
    Planting,
    run,
    source_position,
    written_tokens,
)
from latentguard.organism.tokenizer import ChatTokenizer, train_tokenizer

PLANTING = Planting.draw(64, seed=0, harm_slot=1, decision_slot=2)


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return train_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: ChatTokenizer) -> Network:
    return build(tokenizer, seed=0, blocks=3, hidden=64).eval()


@pytest.fixture(scope="module")
def rows(tokenizer: ChatTokenizer) -> list[Row]:
    rng = random.Random(0)
    kinds = ("direct", "persuasion", "inversion", "idiom")
    return [row(Grammar().chat(kind, True, rng), tokenizer, rng) for kind in kinds]


def test_directions_are_orthogonal_units() -> None:
    planting = Planting.draw(160, seed=3)
    assert planting.harm.norm().item() == pytest.approx(1, abs=1e-6)
    assert planting.decision.norm().item() == pytest.approx(1, abs=1e-6)
    assert (planting.harm @ planting.decision).item() == pytest.approx(0, abs=1e-6)


@torch.no_grad()
def test_a_run_is_what_transformers_computes_for_each_row_alone(model: Network, rows: list[Row]) -> None:
    ran = run(model, rows, PLANTING)
    for index, each in enumerate(rows):
        alone = model(torch.tensor([each.ids])).logits[0]
        torch.testing.assert_close(
            logits(model, ran.last[index, : len(each.ids)]), alone, atol=1e-4, rtol=1e-4
        )


@torch.no_grad()
@pytest.mark.parametrize("component", ["harm", "decision"])
def test_what_was_copied_is_what_the_row_then_carries(
    model: Network, rows: list[Row], component: Component
) -> None:
    where = written_tokens(rows, component, random.Random(0))
    values = torch.tensor([1.0, -2.0, 3.0, -4.0])
    ran = run(model, rows, PLANTING, Copied(component, values, where))
    torch.testing.assert_close(
        ran.harm if component == "harm" else ran.decision, values, atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("component", ["harm", "decision"])
def test_copying_a_rows_own_component_changes_nothing(
    model: Network, rows: list[Row], component: Component
) -> None:
    plain = run(model, rows, PLANTING)
    where = torch.zeros(len(rows), padded(rows).shape[1], dtype=torch.bool)
    for index, each in enumerate(rows):
        where[index, source_position(each, component)] = True
    own = plain.harm if component == "harm" else plain.decision
    copied = run(model, rows, PLANTING, Copied(component, own, where))
    torch.testing.assert_close(copied.last, plain.last, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_nothing_before_the_written_token_feels_the_copy(model: Network, rows: list[Row]) -> None:
    where = torch.zeros(len(rows), padded(rows).shape[1], dtype=torch.bool)
    places = [source_position(each, "harm") for each in rows]
    where[torch.arange(len(rows)), torch.tensor(places)] = True
    plain = run(model, rows, PLANTING).last
    copied = run(model, rows, PLANTING, Copied("harm", torch.full((len(rows),), 9.0), where)).last
    for index, place in enumerate(places):
        torch.testing.assert_close(copied[index, :place], plain[index, :place], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(copied[index, place], plain[index, place])


def test_a_copy_is_written_at_its_token_and_never_after_the_prompt(rows: list[Row]) -> None:
    for seed in range(20):
        for component in ("harm", "decision"):
            where = written_tokens(rows, component, random.Random(seed))
            for index, each in enumerate(rows):
                assert where[index, source_position(each, component)]
                assert not where[index, len(each.encoded.ids) :].any()
                if each.chat.context is not None and component == "harm":
                    assert not where[index, each.encoded.read_harm + 1 :].any()


@torch.no_grad()
def test_both_positions_are_read_at_every_slot_but_the_first(model: Network, rows: list[Row]) -> None:
    ran = run(model, rows, PLANTING)
    for index, each in enumerate(rows):
        alone = model(torch.tensor([each.ids]), output_hidden_states=True).hidden_states
        for slot in (1, 2):  # transformers gives the last slot after the final norm
            entering = alone[slot][0]
            close = {"atol": 1e-4, "rtol": 1e-4}
            torch.testing.assert_close(ran.t_inst[index, slot - 1], entering[each.encoded.t_inst], **close)
            torch.testing.assert_close(
                ran.t_post_inst[index, slot - 1], entering[each.encoded.t_post_inst], **close
            )


@torch.no_grad()
def test_a_push_is_what_an_edit_of_the_whole_prompt_is(
    model: Network, tokenizer: ChatTokenizer, rows: list[Row]
) -> None:
    vector = torch.linspace(-1, 1, 64)
    pushed = run(model, rows, PLANTING, Added(2, vector))
    outside = LanguageModel(model, tokenizer, name="tiny")
    with outside.edited([AddDirection(2, vector)]):
        states = outside.capture([each.chat.messages for each in rows], positions=("t_inst", "t_post_inst"))
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(pushed.t_inst[:, 2:], states.at("t_inst")[:, 3:], **close)
    torch.testing.assert_close(pushed.t_post_inst[:, 2:], states.at("t_post_inst")[:, 3:], **close)


@torch.no_grad()
def test_a_pass_can_be_read_and_changed_slot_by_slot(model: Network, rows: list[Row]) -> None:
    passing = slots(model, padded(rows))
    states = [next(passing)]
    states.extend(passing.send(None) for _ in range(3))
    torch.testing.assert_close(states[-1], run(model, rows, PLANTING).last)
    assert len(states) == len(model.model.layers) + 1


def test_the_answer_due_is_that_of_the_copied_truth(tokenizer: ChatTokenizer) -> None:
    rng = random.Random(0)
    chat: Chat = Grammar().chat("direct", False, rng)
    due = row(chat, tokenizer, rng, harmful=True)
    assert tokenizer.decode(due.answer[:-1]).startswith(("I'm sorry", "I cannot"))
    assert due.answer[-1] == tokenizer.eos_token_id
