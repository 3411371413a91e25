"""How far the harmfulness and the refusal direction of one reading point the same way, slot by slot."""

from statistics import NormalDist
from typing import Final

from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import Reading, cosine_by_slot, stacked
from latentguard.guard import Estimate
from latentguard.report.intervals import finite
from latentguard.report.schema import CosineCurve

_Z: Final = NormalDist().inv_cdf(0.975)


def direction_cosines(reading: Reading, draws: Float[Tensor, "resample slot"] | None) -> CosineCurve:
    """Cosine at every slot; its mean leaves out slot 0, where every prompt's last token is the same.

    The interval is the cosine and 1.96 standard deviations of its `draws` on either side, inside [-1, 1]: how
    far another draw of as many fitting prompts would move it. Percentiles would not say so: a draw repeats
    prompts, its directions hold more noise than the fitted ones, and so its cosines lie to one side.
    """
    if reading.refusal is None or draws is None:
        return CosineCurve(
            endings=reading.endings,
            slots=(),
            values=(),
            low=(),
            high=(),
            mean_without_slot_0=None,
            reason=f"There is no refusal direction: {reading.unavailable}.",
        )
    values = cosine_by_slot(
        stacked(reading.directions("harmfulness")), stacked(reading.directions("refusal"))
    )
    low, high = _around(values, draws)
    return CosineCurve(
        endings=reading.endings,
        slots=tuple(range(len(values))),
        values=finite(values),
        low=finite(low),
        high=finite(high),
        mean_without_slot_0=_mean(values, draws, n=reading.refusal.n_positive + reading.refusal.n_negative),
    )


def _mean(values: Float[Tensor, "slot"], draws: Float[Tensor, "resample slot"], *, n: int) -> Estimate | None:
    """Over the slots from 1 on that have a cosine; `n` prompts are behind it. None where no slot has one."""
    inner = values.isfinite()
    inner[0] = False
    if not bool(inner.any()):
        return None
    mean = values[inner].mean(dim=0, keepdim=True)
    low, high = _around(mean, draws[:, inner].mean(dim=1, keepdim=True))
    return Estimate(value=float(mean), low=float(low), high=float(high), n=n)


def _around(
    values: Float[Tensor, "slot"], draws: Float[Tensor, "resample slot"]
) -> tuple[Float[Tensor, "slot"], Float[Tensor, "slot"]]:
    half = _Z * draws.std(dim=0)
    return (values - half).clamp(min=-1.0), (values + half).clamp(max=1.0)
