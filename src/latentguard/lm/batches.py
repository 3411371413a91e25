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
    held: list[Family] = []
    for family in planned.families:
        if held and padded_tokens([*held, family]) > budget:
            out.append(tuple(held))
            held = []
        held.append(family)
    if held:
        out.append(tuple(held))
    return out


def halves(batch: Sequence[Family]) -> list[tuple[Family, ...]]:
    """The batch in two, a single family by its prompts; one part where only one prompt is left."""
    if len(batch) > 1:
        return [tuple(batch[: len(batch) // 2]), tuple(batch[len(batch) // 2 :])]
    (family,) = batch
    middle = len(family.rows) // 2
    parts = (slice(None, middle), slice(middle, None)) if middle else (slice(None),)
    return [(Family(family.rows[part], family.stem, family.tails[part]),) for part in parts]


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
