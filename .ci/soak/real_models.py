"""The figures of docs/real-models.md, for one model: behaviour, beliefs, guard on sets it has not seen.

    python .ci/soak/real_models.py MODEL --shared ../shared --out docs/real-models/NAME.md [--prompts 100]

MODEL is what `latentguard.load` takes. The guard is fitted on the package's contrast set alone; the public
sets are only measured. Replies are judged, counted and dropped. With `--work DIR` states and judged replies
are kept there as they are made, and a run that was killed goes on where it was. `--guard-only` asks the model
for no reply: of the three parts it makes the last, without what is within the prompts that the model accepts.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tables import log, said, sampled, table

import latentguard
from latentguard.beliefs import Behaviour, cosine_by_slot, fit_reading, observe, read, stacked
from latentguard.data import Prompt, contrast_set
from latentguard.guard import Evaluation, Guard
from latentguard.statistics import wilson

HARMFUL = ("harmbench", "strongreject", "simple_safety_tests", "do_not_answer", "catqa")
HARMLESS = ("or_bench_hard", "phtest_harmless", "alpaca_eval", "coconot")
FITTED_BY_THE_PAPER = ("advbench", "alpaca_sample")
WEAK = "do_not_answer"
CELLS = ("refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless")

READINGS = {
    "permuted_labels": "permuted labels",
    "final_punctuation": "final punctuation",
    "refusal_belief": "refusal belief",
    "tfidf": "TF-IDF + logistic",
    "untrained": "untrained copies",
}


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - begun, 1)
    log.print(f"{stage}: {seconds[stage]} s")


def observed(model: latentguard.LanguageModel, prompts: list[Prompt], work: Path | None) -> Behaviour:
    """What the model does with `prompts`; judged replies are kept in `work`."""
    return observe(model, prompts, folder=work, progress=said)


def behaviour_table(behaviour: Behaviour) -> str:
    rows = []
    for source, counts in behaviour.by_source().items():
        n = counts["refused"] + counts["accepted"]
        share = wilson(counts["refused"], n)
        rows.append(
            (source, str(n), f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]", str(counts["empty"]))
        )
    return table(("set", "n", "refused, 95 % interval", "empty replies"), rows)


def cells_line(behaviour: Behaviour) -> str:
    counts = behaviour.counts()
    return ", ".join(f"{cell.replace('_', ' ')} {counts[cell]}" for cell in CELLS)


def belief_tables(model: latentguard.LanguageModel, fitting: Behaviour, measured: Behaviour) -> str:
    """Harmfulness by slot of the four cells, and the cosine of the two directions, both endings ways."""
    parts = []
    slots = sorted({round(model.n_blocks * step / 8) for step in range(1, 9)})
    for endings in ("as_written", "balanced"):
        reading = fit_reading(model, fitting, endings=endings)
        beliefs = read(model, reading, measured.prompts)
        rows = []
        for cell, members in measured.cells().items():
            if not members:
                rows.append((cell.replace("_", " "), "0", *("" for _ in slots), ""))
                continue
            scores = beliefs.harmfulness_by_slot[list(members)]
            positive = (scores[:, 1:].mean(dim=1) >= 0).float().mean()
            by_slot = (f"{float(scores[:, slot].mean()):+.3f}" for slot in slots)
            rows.append((cell.replace("_", " "), str(len(members)), *by_slot, f"{float(positive):.2f}"))
        if reading.refusal is not None:
            cosines = cosine_by_slot(
                stacked(reading.directions("harmfulness")), stacked(reading.directions("refusal"))
            )
            rows.append(
                ("cos(v_harm, v_refuse)", "", *(f"{float(cosines[slot]):+.2f}" for slot in slots), "")
            )
        head = ("verdict cell", "n", *(f"slot {slot}" for slot in slots), "belief > 0")
        parts.append(
            f"Endings `{endings}` ({'; '.join(reading.notes) or reading.basis}):\n\n" + table(head, rows)
        )
    return "\n".join(parts)


def pair_tables(found: Evaluation) -> str:
    """Mean AUROC over pairs of sets, for the guard and each baseline, and the guard's twenty pairs."""
    groups = {
        "all twenty pairs": (HARMFUL, HARMLESS),
        "sixteen, without Do-Not-Answer": (tuple(name for name in HARMFUL if name != WEAK), HARMLESS),
        "against OR-Bench-hard": (HARMFUL, ("or_bench_hard",)),
    }
    names = ["guard", *(one.name for one in found.baselines if one.copies)]
    rows = []
    for name in names:
        cells = []
        for harmful, harmless in groups.values():
            mean = found.mean_of_pairs(name, harmful=harmful, harmless=harmless)
            cells.append(str(mean))
        gap = (
            ""
            if name == "guard"
            else str(found.mean_of_pairs("guard", minus=name, harmful=HARMFUL, harmless=HARMLESS))
        )
        rows.append((READINGS.get(name, name), *cells, gap))
    pairs = found.pairs()
    grid = [(one, *(f"{pairs[one, other]:.2f}" for other in HARMLESS)) for one in HARMFUL]
    return (
        table(("", *groups, "guard minus this, twenty pairs"), rows)
        + "\nThe guard, pair by pair (AUROC):\n\n"
        + table(("harmful set", *HARMLESS), grid)
    )


def within_accepted(found: Evaluation, behaviour: Behaviour) -> str:
    """The same means on the prompts that the model accepts, where refusal gives no hint."""
    accepted = {
        prompt
        for prompt, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        if not reply.refused and not reply.empty
    }
    kept = [index for index, prompt in enumerate(found.prompts) if prompt in accepted]
    chosen = found.model_copy(
        update={
            "prompts": tuple(found.prompts[index] for index in kept),
            "guard": _kept(found.guard, kept),
            "baselines": tuple(_kept(one, kept) for one in found.baselines),
        }
    )
    mean = chosen.mean_of_pairs("guard", harmful=HARMFUL, harmless=HARMLESS)
    return f"Within the {len(kept)} prompts that the model accepts, mean AUROC over the pairs: {mean}.\n"


def _kept(measured: "latentguard.guard.Measured", kept: list[int]) -> "latentguard.guard.Measured":
    return measured.model_copy(
        update={"scores": tuple(tuple(copy[index] for index in kept) for copy in measured.scores)}
    )


class Page:
    """The Markdown file, written anew with every finished part: an interrupted run keeps what it measured."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, *parts: str) -> None:
        self.parts += filter(None, parts)
        self.path.write_text("\n\n".join(self.parts) + "\n", encoding="utf-8")


def add_behaviour_and_beliefs(
    page: Page,
    model: latentguard.LanguageModel,
    paper: list[Prompt],
    unseen: list[Prompt],
    work: Path | None,
    seconds: dict[str, float],
) -> Behaviour:
    """The page's first two parts; what the model does with the unseen prompts."""
    with timed("replies", seconds):
        fitting = observed(model, paper, work)
        measured = observed(model, unseen, work)
    page.add(
        "### What it does",
        behaviour_table(fitting) + "\n" + behaviour_table(measured),
        f"Verdict cells over the nine unseen sets: {cells_line(measured)}.",
    )
    with timed("beliefs", seconds):
        beliefs = belief_tables(model, fitting, measured)
    page.add(
        "### Belief by slot",
        f"Centroids from {cells_line(fitting)} (AdvBench and Alpaca), measured on the nine unseen sets. "
        "Mean layer score at t_inst; last column: share whose belief over slots 1..L is positive.",
        beliefs,
    )
    return measured


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model")
    arguments.add_argument("--shared", type=Path, default=Path("../shared"))
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--prompts", type=int, default=100)
    arguments.add_argument("--position", default="auto")
    arguments.add_argument("--method", default="auto")
    arguments.add_argument("--untrained-copies", type=int, default=3)
    arguments.add_argument("--work", type=Path)
    arguments.add_argument("--no-refusal", action="store_true", help="no replies to the contrast set")
    arguments.add_argument("--guard-only", action="store_true", help="no replies at all")
    given = arguments.parse_args()
    seconds: dict[str, float] = {}
    page = Page(given.out)
    with timed("load", seconds):
        model = latentguard.load(given.model)
    identity = model.identity()
    page.add(
        f"## {model.name}",
        f"`real_models.py {Path(given.model).name} --prompts {given.prompts}`; "
        f"{identity.quantisation or 'not quantised'}, in {identity.dtype}, {identity.blocks} blocks; "
        f"weights {identity.fingerprint[:12]}. {given.prompts} prompts a set, fewer where a set is smaller.",
    )
    unseen = [row for name in (*HARMFUL, *HARMLESS) for row in sampled(given.shared, name, given.prompts)]
    measured: Behaviour | None = None
    with model.remembering(given.work and given.work / "states"):
        if not given.guard_only:
            paper = [
                row for name in FITTED_BY_THE_PAPER for row in sampled(given.shared, name, given.prompts)
            ]
            measured = add_behaviour_and_beliefs(page, model, paper, unseen, given.work, seconds)
        pairs = contrast_set()
        with timed("fit", seconds):
            guard = Guard.fit(
                model,
                pairs,
                method=given.method,
                position=given.position,
                untrained_copies=given.untrained_copies,
                behaviour="skip"
                if given.no_refusal or given.guard_only
                else observed(model, [*pairs.train, *pairs.validation], given.work),
                progress=said,
            )
        guard.save(given.out.with_suffix("") / "guard")
        with timed("evaluate", seconds):
            found = guard.evaluate(unseen, behaviour=measured, progress=said)
    fitted = guard.manifest.fitted
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    page.add(
        "### The guard, fitted on the contrast set alone",
        f"Chosen on its validation split: {fitted.method}, position {' + '.join(fitted.positions)}, "
        f"slots {fitted.slots[0]}..{fitted.slots[-1]} ({len(fitted.slots)}), "
        f"threshold {guard.manifest.calibration.threshold:.3f}. {found.statement.capitalize()}.",
        pair_tables(found),
        "" if measured is None else within_accepted(found, measured),
        f"All these prompts together: AUROC {found.guard.auroc}, true positives at 1 % false positives "
        f"{found.guard.tpr_at_1_fpr}, at 5 % {found.guard.tpr_at_5_fpr}, calibration error "
        f"{found.guard.calibration_error}.",
        f"Peak memory {peak:.1f} GB; seconds: {json.dumps(seconds)}.",
    )
    misread = [(p.source, p.id, round(v.probability, 2)) for p, v in found.misread()[:80]]
    given.out.with_suffix(".json").write_text(
        json.dumps(
            {"evaluation": found.model_dump(mode="json"), "misread": misread, "seconds": seconds}, indent=1
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
