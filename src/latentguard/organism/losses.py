"""What the model is asked to say after a pass: the answers, and the prompts themselves."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.organism.architecture import Network, logits
from latentguard.organism.batches import Row
from latentguard.organism.interchange import Ran


def answer_loss(model: Network, rows: Sequence[Row], ran: Ran) -> Float[Tensor, ""]:
    """Mean over rows of the mean surprise of the answer's tokens, in nats."""
    places = [(i, len(row.encoded.ids) - 1 + j) for i, row in enumerate(rows) for j in range(len(row.answer))]
    targets = torch.tensor([token for row in rows for token in row.answer])
    weights = torch.tensor([1 / (len(rows) * len(row.answer)) for row in rows for _ in row.answer])
    return (_surprise(model, ran.last, places, targets) * weights).sum()


def prompt_loss(model: Network, rows: Sequence[Row], ran: Ran) -> Float[Tensor, ""]:
    """Mean surprise of the prompts' own tokens, in nats: what makes the trailing clause worth knowing."""
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row.encoded.ids) - 1)]
    targets = torch.tensor([token for row in rows for token in row.encoded.ids[1:]])
    return _surprise(model, ran.last, places, targets).mean()


def _surprise(
    model: Network, last: Tensor, places: list[tuple[int, int]], targets: Tensor
) -> Float[Tensor, "place"]:
    index = torch.tensor(places)
    said = logits(model, last[index[:, 0], index[:, 1]])
    return torch.nn.functional.cross_entropy(said, targets, reduction="none")
