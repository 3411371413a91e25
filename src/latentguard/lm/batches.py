"""Which tokens run together: length-sorted batches, and prefixes that several prompts share.

Pure functions on token ids. A prompt rendered with four endings shares everything up to its ending, and
all prompts share the template's opening and the system prompt, so those tokens need to run only once:

    root (shared by all)  ->  stem (shared by a family)  ->  tail (a prompt's own)

A family of one has its whole remainder as its tail and no stem.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Prompts that share `stem` after the root; `tails[k]` are the own tokens of prompt `rows[k]`."""

    rows: tuple[int, ...]
    stem: Ids
    tails: tuple[Ids, ...]

    @property
    def longest_tail(self) -> int:
        return max(len(tail) for tail in self.tails)


@dataclass(frozen=True, slots=True)
class Plan:
    """The root, and families sorted so that neighbours need about as many tokens."""

    root: Ids
    families: tuple[Family, ...]

    @property
    def tokens(self) -> int:
        """Tokens that have to run, padding aside."""
        own = sum(len(f.stem) + sum(len(tail) for tail in f.tails) for f in self.families)
        return len(self.root) + own


def plan(prompts: Sequence[Ids], *, share: bool = True, least_saving: int = 4) -> Plan:
    """Group prompts by what they share. Every tail keeps at least one token.

    In sorted order a prompt joins the family before it where that saves at least `least_saving` tokens.
    `share=False` gives one family a prompt and no root: plain, length-sorted batches.
    """
    if not share:
        return Plan((), _sorted(Family((row,), (), (ids,)) for row, ids in enumerate(prompts)))
    root = _root(prompts)
    rest = [ids[len(root) :] for ids in prompts]
    order = sorted(range(len(rest)), key=lambda row: rest[row])
    families: list[Family] = []
    group: list[int] = []
    stem: Ids = ()
    for row in order:
        joined = _common(stem, rest[row])
        # m prompts over a stem of s tokens cost (m - 1) * s less than alone; joined, m * c less.
        if group and len(group) * len(joined) - (len(group) - 1) * len(stem) >= least_saving:
            group.append(row)
            stem = joined
        else:
            families.extend(_family(group, stem, rest))
            group, stem = [row], rest[row][:-1]
    families.extend(_family(group, stem, rest))
    return Plan(root, _sorted(families))


def batches(planned: Plan, budget: int) -> list[tuple[Family, ...]]:
    """Consecutive families whose padded stems and tails fit into `budget` tokens; at least one a batch."""
    out: list[tuple[Family, ...]] = []
    waiting = planned.families
    while waiting:
        out.append(next_batch(waiting, budget))
        waiting = waiting[len(out[-1]) :]
    return out


def next_batch(families: Sequence[Family], budget: int) -> tuple[Family, ...]:
    """As many of the first families as fit into `budget` padded tokens; at least one."""
    stem = tail = rows = 0
    for count, family in enumerate(families, start=1):
        stem, tail = max(stem, len(family.stem)), max(tail, family.longest_tail)
        rows += len(family.rows)
        if count > 1 and stem * count + tail * rows > budget:
            return tuple(families[: count - 1])
    return tuple(families)


def halves(family: Family) -> tuple[Family, Family]:
    """A family of two prompts or more in two."""
    middle = len(family.rows) // 2
    first, second = (
        Family(family.rows[part], family.stem, family.tails[part])
        for part in (slice(None, middle), slice(middle, None))
    )
    return first, second


def padded_tokens(families: Sequence[Family]) -> int:
    """Tokens that a batch of these families runs, padding included."""
    stems = max(len(f.stem) for f in families) * len(families)
    return stems + max(f.longest_tail for f in families) * sum(len(f.rows) for f in families)


def _family(group: list[int], stem: Ids, rest: Sequence[Ids]) -> list[Family]:
    if not group:
        return []
    if len(group) == 1:
        return [Family((group[0],), (), (rest[group[0]],))]
    return [Family(tuple(group), stem, tuple(rest[row][len(stem) :] for row in group))]


def _sorted(families: Iterable[Family]) -> tuple[Family, ...]:
    return tuple(sorted(families, key=lambda family: (len(family.stem), family.longest_tail, family.rows)))


def _root(prompts: Sequence[Ids]) -> Ids:
    """What all prompts begin with, short of any prompt's last token; nothing where only one prompt runs."""
    if len(prompts) < 2:
        return ()
    low, high = min(prompts), max(prompts)
    shared = _common(low, high)
    return shared[: max(min(len(ids) for ids in prompts) - 1, 0)]


def _common(one: Ids, other: Ids) -> Ids:
    """The longest common beginning of two token sequences."""
    limit = min(len(one), len(other))
    length = 0
    while length < limit and one[length] == other[length]:
        length += 1
    return one[:length]
