"""A verdict beside what it was made by: a guard may be replaced while a request waits."""

import hashlib
from dataclasses import dataclass

from latentguard.guard import Guard, Verdict


@dataclass(frozen=True, slots=True)
class By:
    """One guard, as answers name it."""

    version: str
    """The first characters of the hash of its record, which holds that of its tensors."""
    threshold: float
    """The score from which it flags."""
    slots: tuple[int, ...]
    positions: tuple[str, ...]

    @classmethod
    def of(cls, guard: Guard) -> "By":
        """The names of `guard`."""
        fitted, calibration = guard.manifest.fitted, guard.manifest.calibration
        version = hashlib.sha256(guard.manifest.model_dump_json().encode()).hexdigest()[:16]
        return cls(version, calibration.threshold, fitted.slots, fitted.positions)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one guard said of one prompt."""

    verdict: Verdict
    by: By
