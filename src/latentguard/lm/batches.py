"""Which tokens run together: length-sorted batches, and prefixes that several prompts share.

Pure functions on token ids. A prompt rendered with four endings shares everything up to its ending, and
all prompts share the template's opening and the system prompt, so those tokens need to run only once:

    root (shared by all)  ->  stem (shared by a family)  ->  tail (a prompt's own)

A family of one has its whole remainder as its tail and no stem. What counts is what a batch costs: its
tokens, padding included, and a fixed price `a_run` for each of its one or two runs. A stem of a few tokens
may cost more padding than it saves, and a fuller batch may hold more padding than two.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ids = tuple[int, ...]

TOKENS, A_RUN = 1024, 32
"""Padded tokens a batch, and what it costs to start a run, in tokens: those of a CPU."""
_LEAST_SAVINGS = (4, 8, 16, None)
"""Tokens that a prompt must save to join a family: all are tried, the cheapest is taken; None: none joins."""


@dataclass(frozen=True, slots=True)
class Family:
    """Prompts that share `stem` after the root; `tails[k]` are the own tokens of prompt `rows[k]`."""

    rows: tuple[int, ...]
    stem: Ids
    tails: tuple[Ids, ...]

    @property
    def longest_tail(self) -> int:
        """Tokens of the longest prompt that its family does not share."""
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


def plan(prompts: Sequence[Ids], *, share: bool = True, budget: int = TOKENS, a_run: int = A_RUN) -> Plan:
    """Group prompts by what they share, in the way that costs least in batches of `budget` tokens.

    Every tail keeps at least one token. `share=False` gives one family a prompt and no root: plain,
    length-sorted batches.
    """
    if not share:
        return Plan((), _sorted(Family((row,), (), (ids,)) for row, ids in enumerate(prompts)))
    root = shared_beginning(prompts)
    rest = [ids[len(root) :] for ids in prompts]
    order = sorted(range(len(rest)), key=lambda row: rest[row])
    found = (Plan(root, _sorted(_families(rest, order, least))) for least in _LEAST_SAVINGS)
    return min(found, key=lambda one: sum(cost(batch, a_run) for batch in batches(one, budget, a_run=a_run)))


def _families(rest: Sequence[Ids], order: Sequence[int], least_saving: int | None) -> list[Family]:
    """In sorted order a prompt joins the family before it where that saves at least `least_saving` tokens."""
    families: list[Family] = []
    group: list[int] = []
    stem: Ids = ()
    for row in order:
        joined = _common(stem, rest[row])
        # m prompts over a stem of s tokens cost (m - 1) * s less than alone; joined, m * c less.
        saving = len(group) * len(joined) - (len(group) - 1) * len(stem)
        if group and least_saving is not None and saving >= least_saving:
            group.append(row)
            stem = joined
        else:
            families.extend(_family(group, stem, rest))
            group, stem = [row], rest[row][:-1]
    families.extend(_family(group, stem, rest))
    return families


def batches(planned: Plan, budget: int, *, a_run: int = A_RUN) -> list[tuple[Family, ...]]:
    """Consecutive families whose padded stems and tails fit into `budget` tokens; at least one a batch."""
    out: list[tuple[Family, ...]] = []
    waiting = planned.families
    while waiting:
        out.append(next_batch(waiting, budget, a_run=a_run))
        waiting = waiting[len(out[-1]) :]
    return out


def next_batch(families: Sequence[Family], budget: int, *, a_run: int = A_RUN) -> tuple[Family, ...]:
    """Of the first families so many that they cost least for each token of their own, and fit into `budget`
    padded tokens; at least one."""
    stem = tail = rows = tokens = 0
    taken, least = 1, float("inf")
    for count, family in enumerate(families, start=1):
        stem, tail = max(stem, len(family.stem)), max(tail, family.longest_tail)
        rows += len(family.rows)
        tokens += len(family.stem) + sum(map(len, family.tails))
        padded = stem * count + tail * rows
        if count > 1 and padded > budget:
            break
        price = (padded + _runs(stem) * a_run) / tokens
        if price <= least:
            taken, least = count, price
    return tuple(families[:taken])


def cost(families: Sequence[Family], a_run: int) -> int:
    """What a batch costs, in tokens."""
    return padded_tokens(families) + _runs(max(len(family.stem) for family in families)) * a_run


def _runs(longest_stem: int) -> int:
    return 2 if longest_stem else 1


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
    """Families that pad one another least beside one another: those with a stem first, then by length."""

    def place(family: Family) -> tuple[bool, int, int, tuple[int, ...]]:
        return not family.stem, family.longest_tail, len(family.stem), family.rows

    return tuple(sorted(families, key=place))


def shared_beginning(prompts: Sequence[Ids]) -> Ids:
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
