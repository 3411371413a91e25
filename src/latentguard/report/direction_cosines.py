"""How far the harmfulness and the refusal direction of one reading point the same way, slot by slot."""

from latentguard.beliefs import Reading, cosine_by_slot, stacked
from latentguard.report.intervals import finite
from latentguard.report.schema import CosineCurve


def direction_cosines(reading: Reading) -> CosineCurve:
    """Cosine at every slot; its mean leaves out slot 0, where every prompt's last token is the same."""
    if reading.refusal is None:
        return CosineCurve(
            endings=reading.endings,
            slots=(),
            values=(),
            mean_without_slot_0=None,
            reason=f"There is no refusal direction: {reading.unavailable}.",
        )
    values = finite(
        cosine_by_slot(stacked(reading.directions("harmfulness")), stacked(reading.directions("refusal")))
    )
    inner = [value for value in values[1:] if value is not None]
    return CosineCurve(
        endings=reading.endings,
        slots=tuple(range(len(values))),
        values=values,
        mean_without_slot_0=sum(inner) / len(inner) if inner else None,
    )
