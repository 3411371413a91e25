"""The record of a guard that has learned to read answers."""

from collections.abc import Sequence

from latentguard.data import Prompt
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.manifest import SCHEMA_VERSION, Manifest
from latentguard.guard.relatives import remembered_as


def with_answers(manifest: Manifest, record: FittedAnswers, learned_from: Sequence[Prompt]) -> Manifest:
    """The same record with that of its answers; an evaluation leaves out what they were learned from, too.

    Where a guard does not tell what it was fitted on (it was published without), it goes on not telling: a
    part of them would pass for all.
    """
    seen = manifest.data.seen
    if seen:
        marks = {mark for one in learned_from for mark in remembered_as(one)}
        seen = tuple(sorted(marks.union(seen)))
    return manifest.model_copy(
        update={
            "answers": record,
            "data": manifest.data.model_copy(update={"seen": seen}),
            "schema_version": SCHEMA_VERSION,
        }
    )
