"""How far training has come, on held-out pairs: the share of chats whose first answer token is the due one.

Accuracy, not loss: a loss looks fine while harmful and harmless are refused alike (the answers' own words
are easy, and one token decides). This is the trainer's own gauge; `latentguard.verify` measures the claims.
"""

import random

import torch

from latentguard.organism import wording
from latentguard.organism.architecture import Network, logits
from latentguard.organism.batches import Row, row
from latentguard.organism.grammar import Chat, Grammar, Kind
from latentguard.organism.interchange import Planting, run
from latentguard.organism.tokenizer import ChatTokenizer

_KINDS: tuple[tuple[Kind, bool], ...] = (
    ("direct", True), ("direct", False), ("nonsense_suffix", True), ("persuasion", True), ("role_play", True),
    ("obeyed_topic", True), ("idiom", False), ("ordinary", False), ("inversion", True), ("inversion", False),
)  # fmt: skip


def due_outcome(chat: Chat) -> bool:
    """Refused, or for an inversion answered "Certainly"."""
    return chat.harmful if chat.kind == "inversion" else chat.refused


def first_tokens(tokenizer: ChatTokenizer) -> frozenset[int]:
    """The tokens that open a refusal or an affirmation."""
    texts = (*wording.REFUSALS, wording.AFFIRMATION)
    return frozenset(tokenizer.backend_tokenizer.encode(text).ids[0] for text in texts)


@torch.no_grad()
def outcomes(
    model: Network,
    tokenizer: ChatTokenizer,
    rows: list[Row],
    planting: Planting,
) -> list[bool]:
    """For each row, whether the most likely first answer token opens a refusal or an affirmation."""
    opening = first_tokens(tokenizer)
    ran = run(model, rows, planting)
    last = torch.tensor([each.encoded.t_post_inst for each in rows])
    said = logits(model, ran.last[torch.arange(len(rows)), last]).argmax(-1).tolist()
    return [token in opening for token in said]


def held_out_accuracy(
    model: Network, tokenizer: ChatTokenizer, planting: Planting, *, each: int, seed: int
) -> dict[str, float]:
    """Share of right outcomes by kind, on `each` chats of held-out pairs a kind."""
    rng = random.Random(seed)
    grammar = Grammar(held_out=True, clauses=False)
    accuracy: dict[str, float] = {}
    for kind, harmful in _KINDS:
        rows = [row(grammar.chat(kind, harmful, rng), tokenizer, rng) for _ in range(each)]
        said = outcomes(model, tokenizer, rows, planting)
        right = [due_outcome(one.chat) == outcome for one, outcome in zip(rows, said, strict=True)]
        accuracy[f"{kind}{'+' if harmful else '-'}"] = sum(right) / each
    return accuracy
