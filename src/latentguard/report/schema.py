"""What an audit found, as one tree of frozen records: `audit.json`, and all that the page shows.

The page is a function of this tree alone, so an old `audit.json` can be shown again without its model.
Every number stands with its n and, where it was estimated, its interval. A value that could not be
measured is null, never NaN and never a guess; the reason stands beside it in words.
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from latentguard.guard import Estimate
from latentguard.lm import Identity, ProofRecord

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 4

Cell: TypeAlias = Literal["refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless"]
CELLS: tuple[Cell, ...] = ("refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless")
EndingsName: TypeAlias = Literal["balanced", "as_written"]
Part: TypeAlias = Literal["train", "validation", "test", "extra"]
Label: TypeAlias = Literal["harmful", "harmless"]

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """Frozen, closed to unknown fields, and without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Proportion(Record):
    """`count` of `n`, with the 95 % Wilson interval of the share; all null where n is 0."""

    count: Count
    n: Count
    share: Share | None
    low: Share | None
    high: Share | None


class DataRecord(Record):
    """One part of the prompts: what it was used for, how many, and the hash of its contents."""

    part: Part
    used_for: str
    harmful: Count
    harmless: Count
    sha256: str


class Provenance(Record):
    """The address of every number in this file."""

    model: Identity
    proof: ProofRecord
    notes: tuple[str, ...]
    data_name: str
    data: tuple[DataRecord, ...]
    seed: int
    command: str
    created: str
    seconds: dict[str, float]


class Token(Record):
    index: Count
    text: str
    part: Literal["template", "content"]


class TemplateView(Record):
    """One real prompt as the model sees it, token by token, with the two positions that are read."""

    prompt: str
    tokens: tuple[Token, ...]
    t_inst: Count
    t_post_inst: Count
    boundary: str
    inserted: str


class GroupBehaviour(Record):
    """What the model did with the prompts of one source, attack or category."""

    kind: Literal["source", "attack", "category"]
    name: str
    label: Label
    refused: Proportion


class BehaviourRecord(Record):
    """What the model did with every prompt, judged from the start of its reply; replies are dropped."""

    judged: Count
    new_tokens: Count
    judge: str
    cells: dict[Cell, Proportion]
    test_cells: dict[Cell, Count]
    refused_of_harmful: Proportion
    refused_of_harmless: Proportion
    empty: Count
    fell_out: dict[str, Count]
    groups: tuple[GroupBehaviour, ...]


class Band(Record):
    """The mean layer score of one verdict class at every slot, with its 95 % interval.

    `mean[i]` is null where no prompt fell into the class; `low` and `high` where fewer than two did.
    """

    cell: Cell
    n: Count
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class SlotPanel(Record):
    """Belief by slot at one position, fitted one way; test prompts only.

    `clusters` says in words what the two centroids are means of; `reason` why there is no panel.
    """

    position: Literal["t_inst", "t_post_inst"]
    endings: EndingsName
    clusters: str
    n_positive: Count
    n_negative: Count
    slots: tuple[Count, ...]
    bands: tuple[Band, ...]
    reason: str | None = None


class CosineCurve(Record):
    """Cosine of the harmfulness and the refusal direction at every slot; null where a direction is zero.

    `low` and `high`: 95 %, by a bootstrap over the fitting prompts, which the mean's `n` counts.
    """

    endings: EndingsName
    slots: tuple[Count, ...]
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    mean_without_slot_0: Estimate | None
    reason: str | None = None


class PlanePoint(Record):
    """One prompt that was not fitted on, with its two beliefs: with balanced endings, and as written."""

    prompt: str
    cell: Cell
    harmfulness: float
    refusal: float | None
    harmfulness_as_written: float
    refusal_as_written: float | None
    category: str | None = None
    source: str | None = None
    attack: str | None = None


class Separation(Record):
    """Does the belief, fitted one way, say more than the decision? Measured where the two part ways; test
    prompts only."""

    endings: EndingsName
    auroc_all: Estimate
    auroc_within_accepted: Estimate
    auroc_within_refused: Estimate
    accepted_harmful_believed_harmful: Proportion
    refused_harmless_believed_harmless: Proportion
    refusal_belief_agrees: Proportion | None
    refusal_unavailable: str | None


class Curve(Record):
    """Points of an ROC curve, from (0, 0) to (1, 1)."""

    false_positive_rate: tuple[Share, ...]
    true_positive_rate: tuple[Share, ...]


class GuardRow(Record):
    """A guard, or a baseline beside it, measured on the same test prompts."""

    key: str
    name: str
    meaning: str
    auroc: Estimate
    accuracy: Estimate
    tpr_at_1_fpr: Estimate
    tpr_at_5_fpr: Estimate
    calibration_error: Estimate
    guard_minus_this: Estimate | None
    curve: Curve | None
    unavailable: str | None = None


class GuardGroup(Record):
    """The guard on the test prompts of one source, one attack, or one decision of the model."""

    kind: str
    name: str
    harmful: Count
    harmless: Count
    flagged_harmful: Estimate
    flagged_harmless: Estimate
    auroc: Estimate
    against: str


class GuardRecord(Record):
    """The guard that was fitted, and how it did on test prompts.

    `score` says in words what the number is that is compared with `threshold`.
    """

    method: str
    score: str
    positions: tuple[str, ...]
    slots: tuple[Count, ...]
    slots_chosen_on: str
    endings: EndingsName
    threshold: float
    fitted_on: str
    rows: tuple[GuardRow, ...]
    groups: tuple[GuardGroup, ...]
    above_untrained: bool | None
    sentence: str


class Misread(Record):
    """A test prompt on which the guard is wrong: its score is on the wrong side of the threshold."""

    prompt: str
    label: Label
    cell: Cell | None
    score: float
    probability: float | None
    category: str | None = None
    source: str | None = None
    attack: str | None = None


class Finding(Record):
    """One answer of the first screen."""

    key: Literal["separation", "guard", "behaviour"]
    question: str
    answer: str
    evidence: str
    tone: Literal["yes", "no", "unclear", "plain"]


class Audit(Record):
    """Everything that `latentguard audit` found out about one model."""

    schema_version: Literal[4] = SCHEMA_VERSION
    kind: Literal["latentguard.audit"] = "latentguard.audit"
    title: str
    findings: tuple[Finding, ...]
    limits_line: str
    limits: tuple[str, ...]
    provenance: Provenance
    template: TemplateView
    behaviour: BehaviourRecord
    separation: Separation
    separation_as_written: Separation
    panels: tuple[SlotPanel, ...]
    plane: tuple[PlanePoint, ...]
    plane_belief: str
    cosines: tuple[CosineCurve, ...]
    guard: GuardRecord
    misread: tuple[Misread, ...]
    misread_total: Count

    def to_frame(self) -> "pandas.DataFrame":
        """One row for the guard and each reading beside it; `name_low` and `name_high` bound each value."""
        from latentguard.report.notebook import readings_frame

        return readings_frame(self)

    def _repr_html_(self) -> str:
        """The answers and the guard's table, for notebooks; `report.page` has everything."""
        from latentguard.report.notebook import html

        return html(self)
