"""What the model did, counted: verdict classes, groups of prompts, what fell out of the fit."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Literal

from latentguard.beliefs import CELLS, Behaviour, Reading
from latentguard.data import LABELS, Label
from latentguard.report.intervals import proportion
from latentguard.report.schema import BehaviourRecord, Cell, GroupBehaviour

JUDGE: Final = "this package’s default phrases, by where they stand in the reply"
_MOST_GROUPS: Final = 40
_OUT: Final = {
    "accepted_harmful": "accepted harmful prompts stand in no centroid",
    "refused_harmless": "refused harmless prompts stand in no centroid",
    "empty": "fitting prompts with an empty reply stand in no centroid",
    "unlabelled": "fitting prompts without a label stand in no centroid",
}


def behaviour_record(fitting: Behaviour, measured: Behaviour, reading: Reading) -> BehaviourRecord:
    """Counts over all prompts that were answered: those fitted on and those measured."""
    together = Behaviour(
        prompts=fitting.prompts + measured.prompts,
        replies=fitting.replies + measured.replies,
        max_new_tokens=measured.max_new_tokens,
    )
    counts: dict[Cell, int] = {cell: len(members) for cell, members in together.cells().items()}
    totals = {label: sum(counts[cell] for cell in CELLS if cell.endswith(f"_{label}")) for label in LABELS}
    return BehaviourRecord(
        judged=len(together.prompts),
        new_tokens=measured.max_new_tokens,
        judge=JUDGE,
        cells={cell: proportion(counts[cell], totals[_label_of(cell)]) for cell in CELLS},
        test_cells={cell: len(members) for cell, members in measured.cells().items()},
        refused_of_harmful=proportion(counts["refused_harmful"], totals["harmful"]),
        refused_of_harmless=proportion(counts["refused_harmless"], totals["harmless"]),
        empty=together.counts()["empty"],
        fell_out=_fell_out(reading.fell_out),
        groups=_groups(together),
    )


def _label_of(cell: Cell) -> Label:
    return "harmful" if cell.endswith("_harmful") else "harmless"


def _fell_out(counts: Mapping[str, int]) -> dict[str, int]:
    return {_OUT.get(reason, reason): count for reason, count in counts.items() if count}


def _groups(behaviour: Behaviour) -> tuple[GroupBehaviour, ...]:
    """Refusals by source and attack, and by category where neither tells anything apart."""
    sources, attacks = _members(behaviour, "source"), _members(behaviour, "attack")
    known = set(sources.values())
    new = {key: members for key, members in attacks.items() if members not in known}
    groups = [*_rows(behaviour, "source", sources), *_rows(behaviour, "attack", new)]
    if len({group.name for group in groups}) < 2:
        groups = _rows(behaviour, "category", _members(behaviour, "category")) or groups
    return tuple(groups[:_MOST_GROUPS])


def _members(behaviour: Behaviour, kind: str) -> dict[tuple[Label, str], tuple[int, ...]]:
    """Prompts with a reply of each label and name, in order of these."""
    members: defaultdict[tuple[Label, str], list[int]] = defaultdict(list)
    for index, (prompt, reply) in enumerate(zip(behaviour.prompts, behaviour.replies, strict=True)):
        name = getattr(prompt, kind)
        if name is not None and prompt.label is not None and not reply.empty:
            members[prompt.label, name].append(index)
    return {key: tuple(members[key]) for key in sorted(members)}


def _rows(
    behaviour: Behaviour,
    kind: Literal["source", "attack", "category"],
    members: Mapping[tuple[Label, str], tuple[int, ...]],
) -> list[GroupBehaviour]:
    return [
        GroupBehaviour(
            kind=kind,
            name=name,
            label=label,
            refused=proportion(sum(behaviour.replies[index].refused for index in indices), len(indices)),
        )
        for (label, name), indices in members.items()
    ]
