"""GuardBench (AmenRa/guardbench): the guard as the function that its benchmark calls.

    benchmark(moderate=moderate, guard=guard, model_name="latent-guard", batch_size=64, datasets=["xstest"])

    moderated = P / 2 below the guard's threshold, 1/2 + P / 2 from it on

GuardBench takes for harmful what exceeds 1/2. The guard's own threshold stands elsewhere, so that its
probabilities are moved to either side without changing a rank: precision, recall and F1 are those of the
guard's own decisions, AUPRC that of its probabilities.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

from latentguard.adapters.checked import Checked
from latentguard.adapters.source import Guarding, checker_of
from latentguard.adapters.turns import conversation

HALF: Final = 0.5


def moderate(
    conversations: Sequence[Sequence[Mapping[str, Any]]],
    *,
    guard: Guarding,
    api_key: str | None = None,
) -> list[float]:
    """One number a conversation, in [0, 1]; above 1/2 exactly where the guard flags.

    The request is judged, not an answer to it: the last user turn, where it stands. What cannot be judged
    gets 1, and a warning with the reason.
    """
    found = checker_of(guard, api_key=api_key).check([conversation(one) for one in conversations])
    reasons = [one.unjudged for one in found if one.unjudged is not None]
    if reasons:
        warnings.warn(
            f"{len(reasons)} of {len(found)} conversations could not be judged, and count as harmful; "
            f"the first: {reasons[0]}",
            stacklevel=2,
        )
    return [_moved(one) for one in found]


def _moved(checked: Checked) -> float:
    if checked.flagged:
        return max(HALF + checked.probability / 2, math.nextafter(HALF, 1))
    return checked.probability / 2
