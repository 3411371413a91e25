"""What one head adds to the residual stream: its slice, through its own columns of the output projection.

    attribution(b, h, u) = m_b < u, W_O^{b,h} z_{b,h} >

z is the head's slice of the projection's input, W_O its columns, m the factor by which the block adds what
attention writes (1 in most models, Granite's residual multiplier). Biases belong to no head. It is exact
where nothing stands between the projection and the stream, which `proof/attribution.py` shows or refuses.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.lm.heads import HeadSite
from latentguard.lm.spread import kept
from latentguard.lm.states import HeadAttributions, HeadStates


def output_matrix(projection: nn.Module, given: int) -> Float[Tensor, "hidden given"] | None:
    """W of `projection`, which is handed `given` numbers; None where its weights are stored in another form.

    A linear layer keeps W itself, transformers' `Conv1D` its transpose.
    """
    weight = kept(projection, "weight")
    if weight is not None and hasattr(weight, "__tensor_flatten__"):
        weight = weight.dequantize()  # torchao's, to the numbers it stands for
    if weight is None or not weight.is_floating_point() or weight.dim() != 2:
        return None
    kept_as_it_is = isinstance(projection, nn.Linear)
    matrix = weight.detach() if kept_as_it_is else weight.detach().T
    return matrix if matrix.shape[1] == given else None


def along(
    read: HeadStates,
    direction: Float[Tensor, " hidden"],
    sites: Sequence[HeadSite | None],
    factors: Sequence[float | None],
) -> HeadAttributions:
    """What every head that was read adds along `direction`; `sites` and `factors` of all blocks."""
    found = torch.empty(read.tensor.shape[:-1])
    for column, block in enumerate(read.blocks):
        site, factor = sites[block], factors[block]
        assert site is not None
        assert factor is not None  # attribution was proved of every block with heads
        matrix = output_matrix(site.projection, site.heads * site.width)
        assert matrix is not None
        seen = factor * (direction.float().cpu() @ matrix.float().cpu())
        found[:, :, column] = (read.tensor[:, :, column] * seen.view(site.heads, site.width)).sum(dim=-1)
    return HeadAttributions(found, read.positions, read.blocks)
