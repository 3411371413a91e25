"""guard.json: everything about a fitted guard that is not a tensor, as one checked record."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from latentguard.data import Endings
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.calibration import Calibration
from latentguard.guard.cells import Cells
from latentguard.guard.probe import Method
from latentguard.guard.text_baselines import TextBaselines
from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate

SCHEMA_VERSION = 7
"""7: how answers are read. 6, which is still read: a threshold cut on other prompts than those of the fit. 5,
too: categories. 4, too: the date that a chat template was told. 3: what was proved of the model. 2: a copy's
own method and positions, and what relatives of a fitted prompt are recognised by."""


class Record(BaseModel):
    """A part of guard.json: frozen, and nothing in it that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fitted(Record):
    """What the guard reads, and how that was chosen."""

    method: Method
    positions: tuple[str, ...]
    slots: tuple[int, ...]
    validation_auroc: float
    """AUROC on the validation prompts on which this one of `considered` candidates was chosen: no test."""
    considered: int
    target_fpr: float | None
    endings: Endings
    seed: int

    @property
    def cells(self) -> Cells:
        """The (position, slot) pairs read for the score."""
        return Cells(self.positions, self.slots)


class FittedRefusal(Record):
    """The refusal belief: read at t_post_inst, positive above `threshold`."""

    slots: tuple[int, ...]
    threshold: float
    n_refused: int
    """Refused-harmful training prompts in the positive mean."""
    n_accepted: int
    validation_auroc: float | None
    """How well it ranks refused above accepted validation prompts; None with too few of either."""


class FittedUntrained(Record):
    """The same pipeline fitted on one re-initialised copy of the model: its own choice, by the same rule."""

    seed: int
    fingerprint: str
    method: Method
    positions: tuple[str, ...]
    slots: tuple[int, ...]
    """No deeper than the guard's deepest."""
    validation_auroc: float
    considered: int
    """Candidates that the copy chose among."""

    @property
    def cells(self) -> Cells:
        """The (position, slot) pairs read for the copy's score."""
        return Cells(self.positions, self.slots)


class FittedCategory(Record):
    """The probe of one category of harm, on the guard's cells: its prompts against everything else."""

    name: str
    n_train: int
    n_validation: int
    """Harmful validation prompts of the category."""
    calibration: Calibration
    validation_auroc: float


class FittedOn(Record):
    """The data: counts, hashes, and which prompts an evaluation must leave out."""

    train_harmful: int
    train_harmless: int
    validation_harmful: int
    validation_harmless: int
    train_hash: str
    validation_hash: str
    seen: tuple[str, ...]
    """Short hashes by which these prompts and their relatives are recognised; no text and no id. Empty where
    the guard was published without them."""


class CutOn(Record):
    """Prompts that the threshold was cut on after the fit (`Guard.calibrated`)."""

    n: int
    target_fpr: float
    data_hash: str
    false_flags: Estimate
    """Of prompts in one half by a threshold cut on the other, both ways: what to expect of more of them."""
    before: float
    """The threshold of the fit."""


class Manifest(Record):
    """A guard without its tensors."""

    schema_version: Literal[4, 5, 6, 7] = SCHEMA_VERSION
    model: Identity
    proof: ProofRecord
    fitted: Fitted
    refusal: FittedRefusal | None
    refusal_unavailable: str | None
    """Why there is no refusal belief, with the counts."""
    behaviour: dict[str, int]
    """Training prompts in each verdict cell; empty where no reply was asked for."""
    calibrations: dict[str, Calibration]
    """For the guard and each baseline, fitted on the same validation prompts; none of `tfidf` where the guard
    was published without its words."""
    untrained: tuple[FittedUntrained, ...]
    permutations: int
    categories: tuple[FittedCategory, ...] = ()
    """Empty where fewer than two categories had enough prompts, or none was wanted."""
    cut_on: CutOn | None = None
    """None where the threshold is that of the fit."""
    answers: FittedAnswers | None = None
    """None where nothing was fitted on answers: they are not cut."""
    text: TextBaselines
    data: FittedOn
    tensors_sha256: str = ""
    """Of guard.safetensors."""

    @property
    def calibration(self) -> Calibration:
        """The guard's own."""
        return self.calibrations["guard"]

    @property
    def deepest_slot(self) -> int:
        """The deepest slot of the score; nothing beyond it is run for it."""
        return max(self.fitted.slots)
