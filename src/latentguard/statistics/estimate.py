"""A measured value with its interval and what it counts."""

from pydantic import BaseModel, ConfigDict, Field


class Estimate(BaseModel):
    """A value and its 95 % interval; all None where nothing could be measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    """Prompts it was measured on."""

    def __str__(self) -> str:
        if self.value is None:
            return "no value"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"
