"""Answers read from the first token: how likely a reply begins with one of two sets of words.

One forward pass tells what the paper's code generates a hundred tokens for. What begins neither way is
unanswered, and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentguard.errors import ModelNotSupported
from latentguard.lm import LanguageModel

AFFIRMED: Final = 1
UNANSWERED: Final = 0
DENIED: Final = -1
FEWEST_LETTERS: Final = 2
"""A token of one letter begins too many words to tell an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the first token of each reply says."""

    affirmative: Float[Tensor, " reply"]
    """Probability that it begins an affirmative answer."""
    first: Int[Tensor, " reply"]
    """The most likely first token."""
    said: Int[Tensor, " reply"]
    """1, -1, or 0 where that token begins neither."""


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """The tokens that begin an affirmative and a negative answer in one tokenizer, none in both sets."""

    affirmative: tuple[int, ...]
    negative: tuple[int, ...] | None
    """None: whatever does not affirm denies."""

    def __post_init__(self) -> None:
        shared = set(self.affirmative) & set(self.negative or ())
        if not self.affirmative or self.negative == () or shared:
            raise ValueError("both kinds of answer need a first token of their own")

    @classmethod
    def of_words(
        cls, model: LanguageModel, affirmative: Sequence[str], negative: Sequence[str]
    ) -> "FirstTokens":
        """The first token of each word, as written and in small letters, with and without a blank before it.

        A token that begins both kinds of answer, or has a single letter of a longer word, begins neither.
        Raises `ModelNotSupported` where nothing is left of a kind.
        """
        yes, no = (_beginnings(model, words) for words in (affirmative, negative))
        shared = yes & no
        if not yes - shared or not no - shared:
            raise ModelNotSupported(
                f"in the tokenizer of {model.name} no first token tells {', '.join(affirmative)} from "
                f"{', '.join(negative)}.\n  Ask a question whose answers begin with other words."
            )
        return cls(tuple(sorted(yes - shared)), tuple(sorted(no - shared)))

    def read(self, logits: Float[Tensor, "reply vocab"]) -> Answers:
        """Answers of replies by the logits of their first token."""
        first = logits.argmax(dim=-1)
        probabilities = logits.double().softmax(dim=-1)
        return Answers(
            affirmative=probabilities[:, list(self.affirmative)].sum(dim=-1).float(),
            first=first,
            said=self.said(first),
        )

    def said(self, first: Int[Tensor, "*replies"]) -> Int[Tensor, "*replies"]:
        """What replies say that begin with these tokens: 1, -1, or 0 for neither."""
        affirmed = torch.isin(first, torch.tensor(self.affirmative, device=first.device))
        if self.negative is None:
            denied = ~affirmed
        else:
            denied = torch.isin(first, torch.tensor(self.negative, device=first.device))
        return AFFIRMED * affirmed.long() + DENIED * denied.long()


def paper_answer(reply: str) -> int:
    """The paper's own rule for a generated reply: "ertainly" anywhere affirms, else "No" or "no" denies.

    Its "no" also hears "know" and "not" (Zhao et al. 2025, released code); what has neither is unanswered,
    which the paper drops and this package counts.
    """
    if "ertainly" in reply:
        return AFFIRMED
    return DENIED if "No" in reply or "no" in reply else UNANSWERED


def _beginnings(model: LanguageModel, words: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for word in words:
        for form in (word, word.lower()):
            for written in (form, f" {form}"):
                ids = model.tokenizer(written, add_special_tokens=False)["input_ids"]
                pieces = [model.tokenizer.decode([token]).strip() for token in ids]
                spoken = [(token, piece) for token, piece in zip(ids, pieces, strict=True) if piece]
                if spoken and len(spoken[0][1]) >= min(FEWEST_LETTERS, len(word)):
                    found.add(spoken[0][0])
    return found
