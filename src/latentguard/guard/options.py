"""What a fit is asked for, checked before anything is read or run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_args

from latentguard.data import Endings
from latentguard.guard.cells import Position
from latentguard.guard.choice import windows
from latentguard.guard.probe import METHODS, Method
from latentguard.lm.slots import chosen_slots

AUTO_METHODS: tuple[Method, ...] = ("belief", "mean_difference", "lda")
POSITIONS: tuple[Position, ...] = get_args(Position)
ENDINGS: tuple[Endings, ...] = get_args(Endings)

_Known = TypeVar("_Known")


@dataclass(frozen=True, slots=True)
class Options:
    """What a fit was asked for; several methods or positions mean: choose on validation."""

    methods: tuple[Method, ...]
    positions: tuple[Position, ...]
    slots: tuple[int, ...] | None
    endings: Endings
    target_fpr: float | None
    untrained_copies: int
    permutations: int
    categories: bool
    seed: int

    @classmethod
    def of(
        cls,
        *,
        method: str,
        position: str,
        slots: object,
        endings: str,
        target_fpr: float | None,
        untrained_copies: int,
        permutations: int,
        categories: bool,
        seed: int,
        n_blocks: int,
    ) -> "Options":
        """The options of `Guard.fit` for a model of `n_blocks`. Raises `ValueError` naming a bad one."""
        if target_fpr is not None and not 0 <= target_fpr <= 1:
            raise ValueError(f"target_fpr is a share between 0 and 1, not {target_fpr}")
        for name, count in (("untrained_copies", untrained_copies), ("permutations", permutations)):
            if count < 0:
                raise ValueError(f"{name} is 0 or more, not {count}")
        return cls(
            methods=AUTO_METHODS if method == "auto" else (known("method", method, METHODS, "auto"),),
            positions=POSITIONS if position == "auto" else (known("position", position, POSITIONS, "auto"),),
            slots=None if isinstance(slots, str) and slots == "auto" else _slots(slots, n_blocks),
            endings=known("endings", endings, ENDINGS),
            target_fpr=target_fpr,
            untrained_copies=untrained_copies,
            permutations=permutations,
            categories=categories,
            seed=seed,
        )

    def runs(self, deepest: int) -> list[tuple[int, ...]]:
        """The runs of slots to compare, none deeper than `deepest`."""
        return windows(deepest) if self.slots is None else [self.slots]

    def slots_read(self, n_blocks: int) -> tuple[int, ...]:
        """Every slot that any run holds."""
        return tuple(range(1, n_blocks + 1)) if self.slots is None else self.slots


def known(option: str, given: object, values: Sequence[_Known], *others: str) -> _Known:
    """`given`, which is one of `values`. Raises `ValueError` with these, and `others` that are known too."""
    for value in values:
        if given == value:
            return value
    raise ValueError(f"{option} is one of {', '.join(map(str, (*values, *others)))}; got {given!r}")


def _slots(given: object, n_blocks: int) -> tuple[int, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"slots are 'auto' or numbers among 0 to {n_blocks} for this model; got {given!r}")
    return chosen_slots(given, n_blocks + 1)
