"""The prompts of an audit: what is fitted on, what is chosen on, and what is measured on."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from latentguard import organism
from latentguard.data import LABELS, Prompt, Split, data_hash, split
from latentguard.data.contrast import contrast_set
from latentguard.errors import TooFewPrompts
from latentguard.guard.relatives import recognised_by, remembered_as, text_hash
from latentguard.lm import LanguageModel
from latentguard.organism.kinship import kinship
from latentguard.report.schema import DataRecord, Part

WITHOUT_ACCELERATOR = (260, 100, 300)
"""Train, validation and test prompts of an audit on a CPU, so that half a billion parameters take less than
ten minutes on two cores. Three untrained copies, which read what the model reads, are two thirds of that."""
ORGANISM_FRACTIONS = (0.4, 0.2, 0.4)
"""Its prompts cost little and its beliefs are clear: more of them are measured than fitted on."""
RELATIVE = (
    "This model has the chat template of the organism that ships with latentguard, and other weights: it was "
    "asked about that small world, and nothing is known of what was planted in it."
)
CONTROL = (
    "This is organism-idle, the negative control: its harmfulness belief was planted to be read and to move "
    "nothing, which an audit cannot see; latentguard steer can."
)


@dataclass(frozen=True)
class AuditData:
    """Labelled prompts in three parts that share nothing, and what may be said about them.

    Centroids and classifiers are fitted on `train`, slots and thresholds chosen on `validation`; every number
    of the report comes from `test` and `extra`. `name` and `limits` are sentences for readers.
    """

    split: Split
    name: str
    extra: tuple[Prompt, ...] = ()
    limits: tuple[str, ...] = ()
    is_organism: bool = False
    most: tuple[int, int, int] | None = None
    """How many train, validation and test prompts an audit takes at most; None for all."""

    def __post_init__(self) -> None:
        for part, prompts in (("train", self.split.train), ("test", self.measured)):
            for label in LABELS:
                if not any(prompt.label == label for prompt in prompts):
                    raise TooFewPrompts(
                        f"no prompt labelled '{label}' is in the {part} part of '{self.name}' "
                        f"({len(prompts)} prompts).\n"
                        "  An audit compares harmful with harmless prompts: give ten of each, better 100."
                    )

    @classmethod
    def of_lists(
        cls, harmful: Sequence[Prompt], harmless: Sequence[Prompt], *, name: str, seed: int = 0
    ) -> "AuditData":
        """Split a user's own prompts 60 : 20 : 20 by label, category and pair."""
        return cls(split=split([*harmful, *harmless], seed=seed), name=name)

    def thinned(self) -> "AuditData":
        """At most `most` prompts to fit, choose and measure on, whole pairs, and a limit that says so.

        Which pairs are kept depends on their names alone. `extra` stays as it is.
        """
        if self.most is None:
            return self
        given = self.split
        parts = given.train, given.validation, given.test
        kept = [_thinned(part, most) for part, most in zip(parts, self.most, strict=True)]
        before, after = (sum(map(len, of)) for of in (parts, kept))
        if after == before:
            return self
        train, validation, test = kept
        said = (
            f"To stay within minutes without an accelerator, {after} of {before} prompts were taken: "
            f"{len(train)} to fit, {len(validation)} to choose and {len(test)} to measure on. ‘latentguard "
            "fit’ and ‘latentguard evaluate’ take all that they are given."
        )
        return replace(
            self, split=Split(train=train, validation=validation, test=test), limits=(*self.limits, said)
        )

    @property
    def measured(self) -> tuple[Prompt, ...]:
        """Labelled prompts that nothing is fitted or chosen on, nor on a relative, as a guard does not."""
        fitted = (*self.split.train, *self.split.validation)
        seen = frozenset(mark for prompt in fitted for mark in remembered_as(prompt))
        labelled = (prompt for prompt in (*self.split.test, *self.extra) if prompt.label is not None)
        return tuple(prompt for prompt in labelled if seen.isdisjoint(recognised_by(prompt)))

    def records(self) -> tuple[DataRecord, ...]:
        """One record for each part that holds a prompt."""
        parts: tuple[tuple[Part, str, Sequence[Prompt]], ...] = (
            ("train", "centroids, directions and the guard are fitted on it", self.split.train),
            ("validation", "slots and threshold are chosen on it", self.split.validation),
            ("test", "measured; nothing is fitted or chosen on it", self.split.test),
            ("extra", "measured; nothing is fitted or chosen on it", self.extra),
        )
        return tuple(
            DataRecord(
                part=part,
                used_for=purpose,
                harmful=sum(prompt.label == "harmful" for prompt in prompts),
                harmless=sum(prompt.label == "harmless" for prompt in prompts),
                sha256=data_hash(prompts),
            )
            for part, purpose, prompts in parts
            if prompts
        )


def _thinned(prompts: Sequence[Prompt], most: int) -> list[Prompt]:
    """Whole groups in a fixed random order until `most` prompts are reached; in the order given."""

    def group(prompt: Prompt) -> str:
        return hashlib.sha256((prompt.base_id or text_hash(prompt)).encode()).hexdigest()

    sizes = Counter(group(prompt) for prompt in prompts)
    kept: set[str] = set()
    taken = 0
    for name in sorted(sizes):
        if taken + sizes[name] > most:
            break
        kept.add(name)
        taken += sizes[name]
    return [prompt for prompt in prompts if group(prompt) in kept]


def default_data(model: LanguageModel, *, seed: int = 0) -> AuditData:
    """The prompts of an audit without files: those of its world for an organism, else the contrast set.

    Whether a model is the bundled organism, whose beliefs are known because they were planted, is told by its
    weights. One that was retrained or fine-tuned understands the same prompts, and is not called planted.
    """
    kin = kinship(model)
    if kin == "stranger":
        return AuditData(
            split=contrast_set(),
            most=WITHOUT_ACCELERATOR if model.device.type == "cpu" else None,
            name="latentguard’s contrast set (matched pairs: the same frame, one or more phrases changed)",
            limits=(
                "The prompts are this package’s own matched pairs. Give your own with --harmful and "
                "--harmless to learn how the model reads yours.",
            ),
        )
    harmful, harmless = organism.audit_data(seed=seed)
    return AuditData(
        split=split([*harmful, *harmless], fractions=ORGANISM_FRACTIONS, seed=seed),
        name="prompts of the organism’s planted world, from pairs that the bundled one’s training never saw",
        limits={"control": (CONTROL,), "relative": (RELATIVE,)}.get(kin, ()),
        is_organism=kin in ("bundled", "control"),
    )
