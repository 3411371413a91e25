import pytest
import torch

from latentguard.causal import FirstTokens, paper_answer
from latentguard.causal.answers import AFFIRMED, DENIED, UNANSWERED
from latentguard.data import QUESTIONS
from latentguard.errors import ModelNotSupported
from latentguard.lm import LanguageModel


def test_answers_are_the_probabilities_and_the_most_likely_of_two_sets():
    tokens = FirstTokens(affirmative=(1, 4), negative=(2,))
    logits = torch.log(
        torch.tensor([[0.1, 0.3, 0.2, 0.1, 0.3], [0.1, 0.2, 0.6, 0.05, 0.05], [0.9, 0.1, 0, 0, 0]])
    )
    found = tokens.read(logits)
    assert torch.allclose(found.affirmative, torch.tensor([0.6, 0.25, 0.1]))
    assert found.said.tolist() == [AFFIRMED, DENIED, UNANSWERED]
    assert found.first.tolist() == [1, 2, 0]


def test_without_a_negative_set_whatever_does_not_affirm_denies():
    found = FirstTokens(affirmative=(1,), negative=None).read(torch.eye(3))
    assert found.said.tolist() == [DENIED, AFFIRMED, DENIED]


@pytest.mark.parametrize(("yes", "no"), [((), (1,)), ((1,), ()), ((1, 2), (2,))])
def test_a_token_of_both_kinds_or_none_of_one_is_refused(yes: tuple[int, ...], no: tuple[int, ...]):
    with pytest.raises(ValueError, match="first token of their own"):
        FirstTokens(yes, no)


def test_the_first_tokens_of_words_begin_what_the_model_says(organism: LanguageModel):
    tokens = FirstTokens.of_words(organism, ["Certainly"], ["No"])
    for answer, found in (("Certainly.", tokens.affirmative), ("No.", tokens.negative or ())):
        assert organism.tokenizer(answer, add_special_tokens=False)["input_ids"][0] in found


def test_a_plain_yes_affirms_too_where_the_question_asks_for_another_word():
    """Under an edit a model may say the plain word in place of the one that it was told to say."""
    for question in QUESTIONS:
        assert question.affirmative == ("Certainly", "Yes")
        assert "'Certainly'" in question.text


def test_words_that_begin_alike_are_refused_by_name(organism: LanguageModel):
    with pytest.raises(ModelNotSupported, match="no first token tells Certainly from"):
        FirstTokens.of_words(organism, ["Certainly"], ["Certainly"])


def test_one_letter_of_a_longer_word_tells_nothing():
    """A byte-level tokenizer without merges begins every word with its first letter."""
    from tests.lm.tiny import tiny

    with pytest.raises(ModelNotSupported, match="begin with other words"):
        FirstTokens.of_words(tiny("Qwen2"), ["Certainly"], ["No"])


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Certainly!", AFFIRMED),
        ("No. Certainly not.", AFFIRMED),
        ("I do not know", DENIED),
        ("NO", UNANSWERED),
        ("Yes", UNANSWERED),
        ("", UNANSWERED),
    ],
)
def test_the_papers_rule_is_kept_with_its_faults(reply: str, said: int):
    """Zhao et al. 2025, released code: "ertainly" first, then "No" or "no" anywhere ("know" among them)."""
    assert paper_answer(reply) == said
