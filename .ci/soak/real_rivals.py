"""The tables of rivals in docs/real-rivals.md: the guard beside what else could flag a prompt.

    python .ci/soak/real_rivals.py [MODEL] --shared ../shared --fit contrast|paper --prompts 100 --out FILE.md
        [--work DIR]

Fitted on the package's contrast set, or on AdvBench and Alpaca as the paper does; thresholds are cut on
AlpacaEval; every other public set is measured. Without MODEL only rivals that read no model are fitted, and
`--prompts 0` takes whole sets. States and scores are kept in `--work`: a run that was killed goes on where it
was, and a second fit reads no prompt twice.
"""

import argparse
import random
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tables import log, plain, said, sampled, shown, table

import latentguard
from latentguard.data import Prompt, contrast_set, read_prompts
from latentguard.guard.fitting_data import FittingData, fitting_data
from latentguard.rivals import (
    Contest,
    Embeddings,
    FirstToken,
    Latent,
    RefusalDirection,
    Rival,
    Words,
    contest,
)

FITTED = ("advbench", "alpaca_sample")
ORDINARY = "alpaca_eval"
PLAIN = (
    "harmbench", "strongreject", "simple_safety_tests", "tdc2023", "gptfuzz_questions", "do_not_answer",
    "catqa", "ailuminate_demo", "multijail", "xsafety_unsafe_instruction", "or_bench_hard",
    "phtest_harmless", "coconot", "cyberseceval_frr",
)  # fmt: skip
LONGEST = 4_000
"""Characters: a wrapping of five thousand tokens costs half a minute each on two cores."""
ATTACKED = ("gcg_suffixes", "gptfuzz_templates", "strata_sword", "pap_taxonomy")


def whole(shared: Path, name: str, n: int) -> list[Prompt]:
    """All of a set, or `n` prompts of it."""
    if n:
        return sampled(shared, name, n)
    return [replace(row, source=name) for row in plain(shared, name)]


def attacked(shared: Path, name: str, n: int) -> list[Prompt]:
    """English attacked prompts of one set."""
    rows = [row for row in read_prompts(shared / "data" / f"{name}.jsonl") if row.lang in (None, "en")]
    rows = [row for row in rows if row.attack is not None and len(row.text) <= LONGEST]
    chosen = random.Random(f"{name} 0").sample(rows, min(n, len(rows))) if n else rows
    return [replace(row, source=name) for row in chosen]


def fitting(shared: Path, kind: str) -> tuple[FittingData, str]:
    if kind == "contrast":
        return fitting_data(contrast_set(), None, None, seed=0), "the contrast set"
    harmful, harmless = (sampled(shared, name, 500) for name in FITTED)
    return fitting_data(harmful, harmless, None, seed=0), "AdvBench and Alpaca"


def text(found: Contest) -> str:
    at = [f"{rate:.0%}" for rate in found.rates]
    standing = [one for one in found.standings if one.unavailable is None]
    overall = table(
        (
            "fitted on " + found.fitted_on,
            "AUROC, mean over pairs of sets",
            *(f"caught at {rate}" for rate in at),
            *(f"false alarms at {rate}" for rate in at),
        ),
        [(one.name, *map(shown, (one.auroc, *one.recall, *one.over_refusal))) for one in standing],
    )
    sets = table(
        (f"flagged at {' and '.join(at)}", "n", *(one.name for one in standing)),
        [
            (
                f"{row.source} ({row.label})",
                str(row.n),
                *(", ".join(f"{each.value:.2f}" for each in one.sets[place].flagged) for one in standing),
            )
            for place, row in enumerate(standing[0].sets)
        ],
    )
    gone = "".join(f"\n{one.name}: {one.unavailable}\n" for one in found.standings if one.unavailable)
    return (
        f"{found.n_train} prompts to fit, {found.n_validation} to choose on, thresholds cut on "
        f"{found.n_ordinary} AlpacaEval prompts, {found.left_out} relatives left out.\n\n"
        f"{overall}\n{sets}{gone}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--fit", choices=("contrast", "paper"), default="contrast")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--embeddings", nargs="*", default=[], help="folders of sentence encoders")
    given = parser.parse_args()
    begun = time.perf_counter()
    data, name = fitting(given.shared, given.fit)
    ordinary = whole(given.shared, ORDINARY, given.prompts and max(given.prompts, 200))
    test = [row for name in PLAIN for row in whole(given.shared, name, given.prompts)]
    test += [row for name in ATTACKED for row in attacked(given.shared, name, given.prompts)]
    rivals: list[Rival] = [Words("tfidf"), Words("length"), Words("ending")]
    rivals += [Embeddings.of(folder) for folder in given.embeddings]
    model = None
    if given.model is not None:
        model = latentguard.load(given.model, dtype=given.dtype)
        rivals = [
            Latent(model),
            Latent(model, position="auto"),
            Latent(model, "logistic", "t_post_inst"),
            RefusalDirection(model),
            FirstToken(model),
            *rivals,
        ]
    states = None if given.work is None else given.work / "states"
    with nullcontext() if model is None else model.remembering(states):
        found = contest(
            rivals, data, ordinary, test, model=model, fitted_on=name, folder=given.work, progress=said
        )
    minutes = (time.perf_counter() - begun) / 60
    title = "without a model" if model is None else f"beside {model.name}"
    given.out.write_text(f"### Rivals {title}\n\n{text(found)}\n{minutes:.0f} minutes.\n", encoding="utf-8")
    given.out.with_suffix(".json").write_text(found.model_dump_json(), encoding="utf-8")
    log.print(f"written to {given.out}")


if __name__ == "__main__":
    main()
