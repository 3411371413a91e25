"""The prompts of a reproduction: roles that the paper gives to public sets, filled with the data at hand.

    fit          AdvBench (the paper adds JailbreakBench) and Alpaca (and the accepted part of XSTest)
    pool         sets in which accepted harmful and refused harmless prompts are looked for, by what the model
                 does (the paper: Sorry-Bench, XSTest)
    attacked     published suffixes and templates over AdvBench requests (the paper makes its own suffixes)
    categories   CatQA in English

Nothing that is measured is a relative of what is fitted on.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from latentguard import organism
from latentguard.causal import Trial, default_trial
from latentguard.data import Prompt, read_prompts
from latentguard.errors import BadData
from latentguard.guard.relatives import recognised_by, remembered_as, text_hash
from latentguard.lm import LanguageModel
from latentguard.organism.kinship import kinship
from latentguard.verify.reproduction.records import Beside, Budget

HARMFUL: Final = "advbench"
HARMLESS: Final = "alpaca_sample"
POOL: Final = ("harmbench", "strongreject", "or_bench_hard", "phtest_harmless", "alpaca_eval")
ATTACKED: Final = {"adv-suffix": "gcg_suffixes", "template": "gptfuzz_templates"}
CATEGORIES: Final = "catqa"
WRAPPINGS: Final[tuple[tuple[organism.PromptKind, str], ...]] = (
    ("nonsense_suffix", "adv-suffix"),
    ("persuasion", "persuasion"),
    ("role_play", "template"),
)
PLANTED_POOL: Final[tuple[organism.PromptKind, ...]] = (
    "harmful",
    "obeyed_topic",
    "harmless",
    "idioms",
    "ordinary",
)
LONGEST_WRAPPING: Final = 2_000
"""Characters; longer wrappings cost minutes each on two cores."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many prompts of each role."""

    fitted: int
    pooled: int
    attacked: int
    each: int
    a_category: int


SIZES: Final[dict[Budget, Sizes]] = {
    "quick": Sizes(fitted=50, pooled=24, attacked=16, each=12, a_category=0),
    "full": Sizes(fitted=100, pooled=100, attacked=100, each=25, a_category=40),
}


@dataclass(frozen=True, slots=True)
class Material:
    """Every role's prompts; an empty role was not at hand, and `missing` says why."""

    name: str
    trial: Trial
    """Its fitting prompts are those of both beliefs."""
    pool: tuple[Prompt, ...]
    attacked: tuple[Prompt, ...]
    bases: tuple[Prompt, ...]
    """Requests behind `attacked`, where they are known."""
    categories: tuple[Prompt, ...]
    """Harmful prompts that categories' directions are fitted on."""
    category_items: tuple[Prompt, ...]
    """Prompts of one of the categories, no relative of any of those, that questions are asked about."""
    missing: dict[str, str]
    """Why a role is empty: `adv-suffix`, `persuasion`, `template`, `categories`."""
    beside: Beside = "paper"
    """Whose truth the measured numbers stand beside."""


def of_folder(folder: Path, *, budget: Budget, seed: int = 0) -> Material:
    """Roles from files named as the sets are, in `folder`: advbench.jsonl, alpaca_sample.jsonl, ...

    Raises `BadData` where AdvBench or Alpaca is not there: nothing could be fitted.
    """
    sizes = SIZES[budget]
    for needed in (HARMFUL, HARMLESS):
        if not (folder / f"{needed}.jsonl").is_file():
            raise BadData(
                f"{folder} holds no {needed}.jsonl: directions are fitted on AdvBench and Alpaca.\n"
                "  Name a folder with both, or leave --data away to reproduce on the organism."
            )
    missing = {"persuasion": "no persuasive rewrites of requests are at hand"}
    attacked: list[Prompt] = []
    for attack, name in ATTACKED.items():
        found = _drawn(folder, name, sizes.attacked, seed, longest=LONGEST_WRAPPING)
        attacked += found
        if not found:
            missing[attack] = f"{name}.jsonl is not at hand"
    requests = _read(folder, HARMFUL)
    wanted = {one.base_id for one in attacked if one.base_id is not None}
    bases = [one for one in requests if one.id in wanted]
    pool = [
        one
        for name in POOL
        for one in _drawn(folder, name, sizes.pooled, seed)
        if one.attack is None and one.lang in (None, "en")
    ]
    marks = frozenset(mark for one in (*attacked, *bases, *pool) for mark in remembered_as(one))
    parts: list[list[Prompt]] = [[], [], []]
    for rows in (requests, _read(folder, HARMLESS)):
        kept = [one for one in rows if marks.isdisjoint(recognised_by(one)) and one.id not in wanted]
        random.Random(f"reproduce {seed}").shuffle(kept)
        ends = (0, sizes.fitted, sizes.fitted + sizes.each, sizes.fitted + 2 * sizes.each)
        for part, first, last in zip(parts, ends, ends[1:], strict=False):
            part += kept[first:last]
    categories = [
        one for one in _read(folder, CATEGORIES) if one.lang in (None, "en") and one.category is not None
    ]
    if not sizes.a_category:
        categories, missing["categories"] = [], "only with --budget full"
    elif not categories:
        missing["categories"] = f"{CATEGORIES}.jsonl is not at hand"
    of_each, items = _of_each_category(categories, sizes.a_category, seed)
    return Material(
        name=f"{HARMFUL} and {HARMLESS} to fit; {', '.join(sorted({str(one.source) for one in pool}))}",
        trial=Trial.of(*parts, fitted=sizes.fitted, each=sizes.each),
        pool=tuple(pool),
        attacked=tuple(attacked),
        bases=tuple(bases),
        categories=tuple(of_each),
        category_items=tuple(items),
        missing=missing,
    )


def of_organism(model: LanguageModel, *, budget: Budget, seed: int = 0) -> Material:
    """The planted world in every role; its wrappings stand for the attacks of their names."""
    sizes = SIZES[budget]
    trial = default_trial(model, seed=seed, fitted=sizes.fitted, each=sizes.each)
    marks = frozenset(mark for one in trial.fit for mark in remembered_as(one))

    def fresh(kind: organism.PromptKind, n: int) -> list[Prompt]:
        drawn = organism.sample_prompts(kind, 8 * n, seed=seed + 1)
        return [one for one in drawn if marks.isdisjoint(recognised_by(one))][:n]

    attacked = [replace(one, attack=name) for kind, name in WRAPPINGS for one in fresh(kind, sizes.attacked)]
    pool = [one for kind in PLANTED_POOL for one in fresh(kind, sizes.pooled)]
    return Material(
        name="prompts of the organism's planted world",
        trial=trial,
        pool=tuple(pool),
        attacked=tuple(attacked),
        bases=(),
        categories=(),
        category_items=(),
        missing={"categories": "one harmfulness is planted, and no second one by category"},
        beside="idle" if kinship(model) == "control" else "organism",
    )


def _read(folder: Path, name: str) -> list[Prompt]:
    path = folder / f"{name}.jsonl"
    return read_prompts(path) if path.is_file() else []


def _drawn(folder: Path, name: str, n: int, seed: int, *, longest: int | None = None) -> list[Prompt]:
    rows = [one for one in _read(folder, name) if longest is None or len(one.text) <= longest]
    rows = [one for one in rows if one.label is not None]
    return random.Random(f"{name} {seed}").sample(rows, min(n, len(rows)))


def _of_each_category(prompts: Sequence[Prompt], n: int, seed: int) -> tuple[list[Prompt], list[Prompt]]:
    """At most `n` prompts of each category, no text twice, and `n` others of the category that is asked
    about: hate, as in the paper."""
    members: dict[str, dict[str, Prompt]] = {}
    for one in prompts:
        name = str(one.category).split(" / ")[0]  # CatQA's eleven categories, not their parts
        members.setdefault(name, {}).setdefault(text_hash(one), replace(one, category=name))
    chosen: list[Prompt] = []
    items: list[Prompt] = []
    asked_about = next((name for name in sorted(members) if "hate" in name.lower()), None)
    for name, of_category in sorted(members.items()):
        rows = list(of_category.values())
        random.Random(f"{name} {seed}").shuffle(rows)
        half = len(rows) // 2 if name == asked_about else len(rows)
        chosen += rows[: min(n, half)]
        items += rows[half:][:n] if name == asked_about else []
    marks = frozenset(mark for one in chosen for mark in remembered_as(one))
    return chosen, [one for one in items if marks.isdisjoint(recognised_by(one))]
