"""How good a guard is on labelled prompts it has not seen, beside what would do as well without it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field

from latentguard.beliefs.table import html_table
from latentguard.data import Prompt
from latentguard.guard.sampling import Sample, estimate
from latentguard.guard.verdict import Verdict
from latentguard.statistics import Estimate
from latentguard.statistics.metrics import auroc, ranked

if TYPE_CHECKING:
    import pandas


class Record(BaseModel):
    """A frozen part of an evaluation."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class Measured(Record):
    """The guard, or one baseline, on the evaluated prompts. Each value is a mean over its copies.

    Every draw behind an interval resamples the prompts and, where there are several, the copies.
    """

    name: str
    """guard, permuted_labels, length, final_punctuation, refusal_belief, tfidf or untrained."""
    copies: int
    """How many fits it averages: permutations, or untrained copies."""
    auroc: Estimate
    accuracy: Estimate
    tpr_at_1_fpr: Estimate
    tpr_at_5_fpr: Estimate
    calibration_error: Estimate
    difference: Estimate | None
    """AUROC of the guard minus AUROC of this, by paired bootstrap over prompts and over the copies of this;
    None for the guard itself."""
    unavailable: str | None = None
    scores: tuple[tuple[float, ...], ...] = Field(default=(), exclude=True, repr=False)
    """For each copy, the score of each evaluated prompt; not written to JSON."""


class Row(Record):
    """The guard on one source, one attack, or the prompts of one decision."""

    kind: Literal["source", "attack", "decision"]
    name: str
    n_harmful: int
    n_harmless: int
    true_positive_rate: Estimate
    false_positive_rate: Estimate
    auroc: Estimate
    against: Literal["own", "all harmless", "all harmful"]
    """What the AUROC compares with: the row's own other class, or all of it where the row has none."""


class CategoryRow(Record):
    """How well one category's score tells its prompts."""

    name: str
    n: int
    auroc: Estimate
    """Harmful prompts of the category against all others."""
    among_harmful: Estimate
    """The same, against the harmful prompts of other categories alone."""
    first: Estimate
    """Share of its prompts for which this category scores highest."""


class Evaluation(Record):
    """Everything measured, with 95 % bootstrap intervals over prompts, and over copies if there are any."""

    model: str
    method: str
    positions: tuple[str, ...]
    slots: tuple[int, ...]
    threshold: float
    transfer: tuple[str, ...]
    n_harmful: int
    n_harmless: int
    left_out_seen: int
    """Prompts of the fit or its validation, and their relatives, that were given here, and left out."""
    left_out_unlabelled: int
    resamples: int
    seed: int
    data_hash: str
    guard: Measured
    baselines: tuple[Measured, ...]
    rows: tuple[Row, ...]
    categories: tuple[CategoryRow, ...] = ()
    """Of the categories that the guard knows, those that the evaluated prompts hold."""
    above_untrained: bool | None
    """The interval of the difference to the untrained copies excludes 0; None where none was measured."""
    statement: str
    """The one sentence that must stand beside the guard's figures."""
    prompts: tuple[Prompt, ...] = Field(default=(), exclude=True, repr=False)
    verdicts: tuple[Verdict, ...] = Field(default=(), exclude=True, repr=False)

    def baseline(self, name: str) -> Measured | None:
        """One baseline by name; None where it was not measured."""
        return next((one for one in self.baselines if one.name == name), None)

    def misread(self) -> list[tuple[Prompt, Verdict]]:
        """Prompts on the wrong side of the threshold, the most confident mistakes first."""
        wrong = [
            (prompt, verdict)
            for prompt, verdict in zip(self.prompts, self.verdicts, strict=True)
            if verdict.flagged != (prompt.label == "harmful")
        ]
        return sorted(wrong, key=lambda pair: -abs(pair[1].probability - (pair[0].label == "harmful")))

    def pairs(self, name: str = "guard") -> dict[tuple[str, str], float]:
        """AUROC of every harmful source against every harmless one, for the guard or a baseline."""
        copies = self._copies(name)
        harmful = np.array([one.label == "harmful" for one in self.prompts])
        return {
            pair: float(np.mean([auroc(ranked(copy[chosen], harmful[chosen]))[0] for copy in copies]))
            for pair, chosen in _pairs(self.prompts, None, None).items()
        }

    def mean_of_pairs(
        self,
        name: str = "guard",
        *,
        minus: str | None = None,
        harmful: Iterable[str] | None = None,
        harmless: Iterable[str] | None = None,
    ) -> Estimate:
        """Mean AUROC over pairs of a harmful and a harmless source, optionally minus that of a baseline.

        Sources default to all. The interval resamples prompts within sources, paired for a difference, and
        the copies of what was fitted several times.
        """
        self._copies(name)
        sample = Sample.of(self.prompts, resamples=self.resamples, seed=self.seed)
        pairs = _pairs(self.prompts, harmful, harmless)
        if not pairs:
            return Estimate(value=None, n=0)
        draws = sample.with_all()
        values = self._pair_means(name, pairs, sample, draws)
        if minus is not None:
            values = values - self._pair_means(minus, pairs, sample, draws)
        return estimate(values, n=int(np.any(list(pairs.values()), axis=0).sum()))

    def _pair_means(
        self,
        name: str,
        pairs: dict[tuple[str, str], Bool[np.ndarray, " prompt"]],
        sample: Sample,
        draws: Float[np.ndarray, "resample prompt"],
    ) -> Float[np.ndarray, " resample"]:
        means = [
            np.mean(
                [
                    auroc(ranked(copy[chosen], sample.harmful[chosen], draws[:, chosen]))
                    for chosen in pairs.values()
                ],
                axis=0,
            )
            for copy in self._copies(name)
        ]
        return sample.over_copies(np.stack(means))

    def _copies(self, name: str) -> list[Float[np.ndarray, " prompt"]]:
        measured = self.guard if name == "guard" else self.baseline(name)
        if measured is None or not measured.scores:
            raise KeyError(
                f"{name!r} was not measured, or this evaluation was read from JSON without its scores"
            )
        return [np.array(copy) for copy in measured.scores]

    def to_frame(self) -> "pandas.DataFrame":
        """One row for the guard and each baseline; `name_low` and `name_high` bound each value."""
        import pandas

        return pandas.DataFrame([_flat(one) for one in (self.guard, *self.baselines)])

    def rows_frame(self) -> "pandas.DataFrame":
        """One row a source, attack and decision."""
        import pandas

        return pandas.DataFrame([_flat(one) for one in self.rows])

    def _repr_html_(self) -> str:
        """Tables for notebooks, and the sentence."""
        head = (
            "",
            "AUROC",
            "accuracy",
            "TPR at 1 % FPR",
            "TPR at 5 % FPR",
            "calibration error",
            "guard - this",
        )
        table = [
            (
                one.name,
                str(one.auroc),
                str(one.accuracy),
                str(one.tpr_at_1_fpr),
                str(one.tpr_at_5_fpr),
                str(one.calibration_error),
                one.unavailable or ("" if one.difference is None else str(one.difference)),
            )
            for one in (self.guard, *self.baselines)
        ]
        rows_head = (
            "",
            "",
            "harmful",
            "harmless",
            "flagged of harmful",
            "flagged of harmless",
            "AUROC",
            "against",
        )
        rows = [
            (
                row.kind,
                row.name,
                str(row.n_harmful),
                str(row.n_harmless),
                str(row.true_positive_rate),
                str(row.false_positive_rate),
                str(row.auroc),
                row.against,
            )
            for row in self.rows
        ]
        sentence = html_table(("",), [(self.statement,)])
        return sentence + html_table(head, table) + (html_table(rows_head, rows) if rows else "")


def _pairs(
    prompts: tuple[Prompt, ...], harmful: Iterable[str] | None, harmless: Iterable[str] | None
) -> dict[tuple[str, str], Bool[np.ndarray, " prompt"]]:
    """For each harmful and each harmless source, which prompts belong to the pair."""
    members: dict[tuple[str, str], Bool[np.ndarray, " prompt"]] = {}
    for label, wanted in (("harmful", harmful), ("harmless", harmless)):
        names = {one.source or "unnamed" for one in prompts if one.label == label}
        for name in sorted(names if wanted is None else names & set(wanted)):
            members[label, name] = np.array(
                [one.label == label and (one.source or "unnamed") == name for one in prompts]
            )
    return {
        (positive, negative): members["harmful", positive] | members["harmless", negative]
        for kind, positive in members
        if kind == "harmful"
        for other, negative in members
        if other == "harmless"
    }


def _flat(record: Measured | Row) -> dict[str, object]:
    """Fields of a record with every estimate spread over three columns."""
    row: dict[str, object] = {}
    for name in type(record).model_fields:
        value: object = getattr(record, name)
        if name == "scores":
            continue
        if isinstance(value, Estimate):
            row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        else:
            row[name] = value
    return row
