"""The categories of docs/real-causes.md: a guard told of each, their directions, and what those move.

    python .ci/soak/real_categories.py MODEL --shared ../shared --out FILE.md --work DIR [--about NAME ...]

One half of CatQA's English questions and as many Alpaca prompts to fit and choose on; the other half, and as
many AlpacaEval prompts, to measure. Questions that differ only in case and final marks stay in one half.
What words alone tell stands beside: TF-IDF and a logistic regression a category, fitted on the same prompts.
Directions come from the first half's refused questions; every category's, reversed, is added to questions
about the other half of the categories that `--about` names. What was measured is kept in `--work`.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tables import log, plain, said, sampled, shown, table

import latentguard
from latentguard.beliefs import observe
from latentguard.causal.categories import CategoryDirections, category_directions, cross_category
from latentguard.causal.certificate import heard
from latentguard.causal.sweep import Sweeper
from latentguard.causal.trial import QUESTION
from latentguard.data import Prompt, asked, split
from latentguard.guard import Guard
from latentguard.guard.categories import is_of
from latentguard.guard.text_baselines import fit_text_baselines
from latentguard.statistics import Estimate, auroc


def halves(shared: Path) -> tuple[list[Prompt], list[Prompt]]:
    """CatQA under its eleven categories: its own name for each question goes on to name a kind of it."""
    rows = plain(shared, "catqa")
    named = [replace(row, category=(row.category or "").split(" / ")[0]) for row in rows]
    parts = split(named, fractions=(0.5, 0.0, 0.5), seed=0)
    return parts.train, parts.test


def by_words(category: str, fit: list[Prompt], test: list[Prompt]) -> tuple[Estimate, Estimate]:
    """A category against everything else, and against other harm, by words and pairs of words."""
    own = [replace(one, label="harmful" if is_of(one, category) else "harmless") for one in fit]
    scores = fit_text_baselines(own).tfidf(test)
    members = np.array([is_of(one, category) for one in test])
    harmful = np.array([one.label == "harmful" for one in test])
    return auroc(scores, members), auroc(scores[harmful], members[harmful])


def angles(found: CategoryDirections) -> str:
    """Mean cosine of each category's directions to the others', and what halves of one and of two leave."""
    harm, refusal = found.to_others("harm"), found.to_others("refusal")
    rows = [
        (name, str(n), f"{harm[name]:.2f}", f"{refusal[name]:.2f}")
        for name, n in zip(found.names, found.n, strict=True)
    ]
    (harm_same, harm_other), (refusal_same, refusal_other) = map(found.of_halves, ("harm", "refusal"))
    rows += [
        ("halves of one category", "", f"{harm_same:.2f}", f"{refusal_same:.2f}"),
        ("halves of two", "", f"{harm_other:.2f}", f"{refusal_other:.2f}"),
    ]
    return table(("cosine to the other categories", "prompts", "harmfulness", "refusal"), rows)


def moved(
    model: latentguard.LanguageModel, found: CategoryDirections, unseen: list[Prompt], about: str, work: Path
) -> str:
    """Every category's reversed harmfulness direction, on questions about one."""
    questions = [one.rendered(model) for one in asked([x for x in unseen if x.category == about], QUESTION)]
    sweeper = Sweeper(model, heard(model, QUESTION), work, progress=said)
    effects = cross_category(sweeper, found, {about: (questions[::2], questions[1::2])})[about]
    rows = [
        (
            one.direction,
            str(one.block),
            shown(one.turned),
            "" if one.random is None else f"{one.random.mean:.2f}, {one.random.worst:.2f}",
        )
        for one in effects
    ]
    head = (f"reversed, on questions about {about}", "block", "turned to “No”", "random: mean, worst")
    return table(head, rows) if rows else f"No question about {about} is answered truly.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--about", nargs="*", default=["Hate/Harass/Violence"])
    parser.add_argument("--dtype", default="auto")
    given = parser.parse_args()
    begun = time.perf_counter()
    fitted, unseen = halves(given.shared)
    model = latentguard.load(given.model, dtype=given.dtype)
    with model.remembering(given.work / "states"):
        alpaca = sampled(given.shared, "alpaca_sample", len(fitted))
        guard = Guard.fit(model, fitted, alpaca, behaviour="skip", untrained_copies=0, progress=said)
        ordinary = sampled(given.shared, "alpaca_eval", len(unseen))
        found = guard.evaluate([*unseen, *ordinary], progress=said)
        seen = observe(model, [*fitted, *alpaca], folder=given.work, progress=said)
        directions = category_directions(model, seen, progress=said)
        parts = [angles(directions)]
        parts += [moved(model, directions, unseen, about, given.work) for about in given.about]
    fit = guard.manifest.fitted
    rows = [
        (
            one.name,
            str(one.n),
            *map(shown, (one.auroc, one.among_harmful, one.first)),
            *map(shown, by_words(one.name, [*fitted, *alpaca], [*unseen, *ordinary])),
        )
        for one in found.categories
    ]
    head = (
        "category", "n", "against everything else", "against other harm", "scores highest of all",
        "words: everything else", "words: other harm",
    )  # fmt: skip
    minutes = (time.perf_counter() - begun) / 60
    given.out.write_text(
        f"### Categories: {model.name}\n\nIn {model.identity().dtype}. {len(fitted)} questions and as many "
        f"Alpaca prompts to fit, {found.n_harmful} other questions and {found.n_harmless} AlpacaEval prompts "
        f"to measure; chosen: {fit.method}, {' + '.join(fit.positions)}, {len(fit.slots)} slots; "
        f"harmful or not: AUROC {shown(found.guard.auroc, 3)}. {minutes:.0f} minutes.\n\n"
        f"{table(head, rows)}\n" + "\n".join(parts),
        encoding="utf-8",
    )
    record = {"guard": found, "directions": directions.record()}
    written = {name: one.model_dump(mode="json") for name, one in record.items()}
    given.out.with_suffix(".json").write_text(json.dumps(written), encoding="utf-8")
    log.print(f"written to {given.out}")


if __name__ == "__main__":
    main()
