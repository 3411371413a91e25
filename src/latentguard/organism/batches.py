"""Rows of chats with their answers, padded for one forward pass, and groups of rows of like length."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from latentguard.organism.encoding import Encoded, encode
from latentguard.organism.grammar import Chat
from latentguard.organism.tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class Row:
    """One chat and the answer that it is to get here."""

    chat: Chat
    encoded: Encoded
    answer: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return (*self.encoded.ids, *self.answer)


def row(
    chat: Chat,
    tokenizer: ChatTokenizer,
    rng: random.Random,
    *,
    harmful: bool | None = None,
    refused: bool | None = None,
) -> Row:
    """`chat` with the answer due, or due under another harm or another decision, and the end of the turn."""
    text = chat.answer(rng, harmful=harmful, refused=refused)
    answer = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return Row(chat, encode(chat, tokenizer), (*answer, tokenizer.eos_token_id))


def padded(rows: Sequence[Row]) -> Int[Tensor, "row token"]:
    """The token ids of `rows`, filled up on the right with token 0, the tokenizer's padding."""
    length = max(len(each.ids) for each in rows)
    return torch.tensor([each.ids + (0,) * (length - len(each.ids)) for each in rows])


def by_length(rows: Sequence[Row], groups: int) -> list[list[int]]:
    """Indices of `rows` in `groups` groups of like length, so that little is padding."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    size = -(-len(order) // groups)
    return [order[start : start + size] for start in range(0, len(order), size)]
