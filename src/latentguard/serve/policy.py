"""What happens to a flagged prompt: the server's settings say, and a request may only be stricter."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from latentguard.guard import Guard, Verdict
from latentguard.serve.callers import Caller
from latentguard.serve.settings import STRICTNESS, Policy, Settings


class GuardOptions(BaseModel):
    """How this request is guarded; stricter than the server is for everybody, looser for some keys."""

    model_config = ConfigDict(extra="forbid")

    policy: Policy | None = Field(None, description="block, annotate or allow.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Probability of harm from which a prompt is flagged."
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """The policy of one request."""

    policy: Policy
    threshold: float | None
    """None: the guard's own."""
    loosens: bool = False
    """Whether the caller may let pass what the guard flags; the guard that judges may be a newer one."""

    def flags(self, verdict: Verdict) -> bool:
        """Whether a prompt with this verdict is flagged here."""
        if self.threshold is None:
            return verdict.flagged
        return verdict.probability >= self.threshold or (verdict.flagged and not self.loosens)

    @property
    def cuts(self) -> bool:
        """Whether an answer that is over the guard's threshold ends there."""
        return self.policy == "block"

    def blocks(self) -> Callable[[Verdict], bool]:
        """Whether a prompt with some verdict gets no answer."""
        return lambda verdict: self.policy == "block" and self.flags(verdict)


def decided(settings: Settings, guard: Guard, caller: Caller, asked: GuardOptions | None) -> Decided:
    """The server's policy, or what was asked for. Raises `ApiError` 403 for what only some keys may ask."""
    policy = settings.policy
    if asked is None:
        return Decided(policy, None)
    if asked.policy is not None:
        if STRICTNESS.index(asked.policy) < STRICTNESS.index(policy):
            caller.must("policy", f"guard.policy {asked.policy!r}, looser than {policy!r},")
        policy = asked.policy
    calibration = guard.manifest.calibration
    if asked.threshold is not None and asked.threshold > calibration.probability(calibration.threshold):
        caller.must("policy", "A guard.threshold above the guard's own")
    return Decided(policy, asked.threshold, loosens=caller.may("policy"))
