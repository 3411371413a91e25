"""Train, validation and test that share nothing: no prompt, no pair, no wrapped variant of one request."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from latentguard.data.endings import without_ending
from latentguard.data.prompts import Prompt


@dataclass(frozen=True)
class Split:
    """Three lists of prompts without a common group, each in the order of the prompts given."""

    train: list[Prompt]
    validation: list[Prompt]
    test: list[Prompt]


def split(
    prompts: Sequence[Prompt], *, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> Split:
    """Split by group, with label and category in nearly the same proportion in each part.

    Prompts stay together where they share a `base_id`, where one's `base_id` is the other's `id`, or where
    their texts are equal but for case, white space and final marks. Which part a group falls into depends on
    the data and the seed, not on the order of the prompts.
    Raises `ValueError` where the fractions are negative or do not add to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions are three numbers >= 0 that add to 1, not {fractions}")
    groups = _groups(prompts)
    keys = {first: _group_key(prompts, members, seed) for first, members in groups.items()}
    shares = _Shares(fractions)
    part_of: dict[int, int] = {}
    for first in sorted(groups, key=lambda first: keys[first]):
        members = groups[first]
        part = shares.place(Counter(stratum for index in members for stratum in _strata(prompts[index])))
        part_of.update(dict.fromkeys(members, part))
    parts: tuple[list[Prompt], list[Prompt], list[Prompt]] = ([], [], [])
    for index, prompt in enumerate(prompts):
        parts[part_of[index]].append(prompt)
    return Split(*parts)


class _Shares:
    """Keeps the parts' shares of every stratum near the fractions, group after group."""

    def __init__(self, fractions: tuple[float, float, float]) -> None:
        self._fractions = fractions
        self._seen: Counter[tuple[str | None, ...]] = Counter()
        self._held: tuple[Counter[tuple[str | None, ...]], ...] = (Counter(), Counter(), Counter())

    def place(self, strata: Counter[tuple[str | None, ...]]) -> int:
        """The part that lacks most of what this group holds; the group now belongs to it."""
        self._seen.update(strata)
        lacking = [
            sum(
                count * (fraction * self._seen[stratum] - held[stratum] - count / 2)
                for stratum, count in strata.items()
            )
            for fraction, held in zip(self._fractions, self._held, strict=True)
        ]
        allowed = [part for part, fraction in enumerate(self._fractions) if fraction > 0]
        part = max(allowed, key=lambda part: (lacking[part], self._fractions[part]))
        self._held[part].update(strata)
        return part


def _strata(prompt: Prompt) -> tuple[tuple[str | None, ...], ...]:
    return ((), (prompt.label,), (prompt.label, prompt.category))


def _groups(prompts: Sequence[Prompt]) -> dict[int, list[int]]:
    """Indices of the prompts of each group, by the group's first index."""
    parents = list(range(len(prompts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first_with: dict[tuple[str, str], int] = {}
    for index, prompt in enumerate(prompts):
        for key in _keys(prompt):
            other = root(first_with.setdefault(key, index))
            mine = root(index)
            parents[max(mine, other)] = min(mine, other)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(prompts)):
        groups[root(index)].append(index)
    return dict(groups)


def _keys(prompt: Prompt) -> list[tuple[str, str]]:
    """What this prompt has in common with its relatives."""
    keys = [("text", folded(prompt))]
    keys += [("id", name) for name in (prompt.id, prompt.base_id) if name is not None]
    return keys


def folded(prompt: Prompt) -> str:
    """The conversation but for case, white space and final marks: what is equal here is one text."""
    turns = prompt.with_text(without_ending(prompt.text)).messages
    return "\x00".join(" ".join(turn.content.casefold().split()) for turn in turns)


def _group_key(prompts: Sequence[Prompt], members: Sequence[int], seed: int) -> str:
    """A place in the order of groups: random by seed, the same however the prompts are ordered."""
    texts = "\x01".join(sorted(folded(prompts[index]) for index in members))
    return hashlib.sha256(f"{seed}\x02{texts}".encode("utf-8", "surrogatepass")).hexdigest()
