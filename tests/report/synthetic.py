"""An audit of a model that does not exist: numbers drawn from a seed, clearly synthetic, to test the page."""

import math
import random
from collections.abc import Sequence

from latentguard.guard import Estimate
from latentguard.lm import Identity, ProofRecord
from latentguard.lm.proof.record import CheckRecord
from latentguard.report.schema import (
    CELLS,
    Audit,
    Band,
    BehaviourRecord,
    Cell,
    CosineCurve,
    Curve,
    DataRecord,
    EndingsName,
    Finding,
    GroupBehaviour,
    GuardGroup,
    GuardRecord,
    GuardRow,
    Misread,
    PlanePoint,
    Proportion,
    Provenance,
    Separation,
    SlotPanel,
    TemplateView,
    Token,
)

BLOCKS = 24
NEVER_REFUSES = "fewer than 10 prompts in refused_harmful (refused_harmful 0, accepted_harmless 30)."
COUNTS: dict[Cell, int] = {
    "refused_harmful": 31,
    "accepted_harmful": 20,
    "refused_harmless": 9,
    "accepted_harmless": 42,
}
HOSTILE = (
    "</script><script>alert('prompt')</script>",
    "<img src=x onerror=alert(1)>",
    "[/red][bold]markup[/bold]",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "{{ 7 * 7 }} {% raw %} %{x} @accent",
    '" onmouseover="alert(2)" x="',
    "\u202egnp.exe <b>bold</b> <a href='javascript:alert(3)'>link</a>",
    "<!-- <![CDATA[ ]]> -->\u2028</style></title></textarea>",
)


def proportion(count: int, n: int) -> Proportion:
    if n == 0:
        return Proportion(count=0, n=0, share=None, low=None, high=None)
    share, z = count / n, 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Proportion(count=count, n=n, share=share, low=max(middle - half, 0), high=min(middle + half, 1))


def estimate(value: float, half: float, n: int = 102) -> Estimate:
    return Estimate(value=value, low=value - half, high=min(value + half, 1.0), n=n)


def _band(cell: Cell, n: int, level: float, draw: random.Random) -> Band:
    mean = [-0.12 if "less" in cell else 0.05]
    mean += [
        level / (1 + math.exp(-(slot - 9) / 2.2)) + draw.gauss(0, 0.006) for slot in range(1, BLOCKS + 1)
    ]
    half = [0.9 * abs(draw.gauss(0.05, 0.008)) / math.sqrt(n) if n > 1 else 0.0 for _ in mean]
    none = [None] * len(mean)
    interval = n > 1
    return Band(
        cell=cell,
        n=n,
        mean=tuple(mean) if n else tuple(none),
        low=tuple(m - h for m, h in zip(mean, half, strict=True)) if interval else tuple(none),
        high=tuple(m + h for m, h in zip(mean, half, strict=True)) if interval else tuple(none),
    )


def panels(counts: dict[Cell, int], draw: random.Random) -> tuple[SlotPanel, ...]:
    levels = {
        "t_inst": dict(zip(CELLS, (0.16, 0.10, -0.06, -0.13), strict=True)),
        "t_post_inst": dict(zip(CELLS, (0.22, -0.08, 0.15, -0.20), strict=True)),
    }
    return tuple(
        SlotPanel(
            position=position,
            endings=endings,
            clusters="refused harmful and accepted harmless prompts",
            n_positive=96,
            n_negative=128,
            slots=tuple(range(BLOCKS + 1)),
            bands=tuple(_band(cell, counts[cell], levels[position][cell] * scale, draw) for cell in CELLS),
        )
        for endings, scale in (("balanced", 1.0), ("as_written", 1.35))
        for position in ("t_inst", "t_post_inst")
    )


def plane(counts: dict[Cell, int], prompts: Sequence[str], draw: random.Random) -> tuple[PlanePoint, ...]:
    centres = dict(zip(CELLS, ((0.12, 0.15), (0.08, -0.07), (-0.05, 0.06), (-0.1, -0.16)), strict=True))
    points = []
    for cell in CELLS:
        for index in range(counts[cell]):
            x, y = centres[cell]
            points.append(
                PlanePoint(
                    prompt=prompts[index] if index < len(prompts) else f"Synthetic prompt {index} in {cell}?",
                    cell=cell,
                    harmfulness=x + draw.gauss(0, 0.045),
                    refusal=y + draw.gauss(0, 0.05),
                    harmfulness_as_written=1.3 * x + draw.gauss(0, 0.06),
                    refusal_as_written=1.2 * y + draw.gauss(0, 0.06),
                    category="synthetic",
                    source="advbench" if "ful" in cell else "alpaca",
                )
            )
    return tuple(points)


def _curve(auroc: float) -> Curve:
    power = (1 - auroc) / auroc
    x = [index / 40 for index in range(41)]
    return Curve(false_positive_rate=tuple(x), true_positive_rate=tuple(value**power for value in x))


def _row(key: str, name: str, meaning: str, auroc: float, guard: float) -> GuardRow:
    return GuardRow(
        key=key,
        name=name,
        meaning=meaning,
        auroc=estimate(auroc, 0.05),
        accuracy=estimate(auroc - 0.06, 0.06),
        tpr_at_1_fpr=estimate(max(auroc - 0.5, 0.02), 0.1, 51),
        tpr_at_5_fpr=estimate(max(auroc - 0.3, 0.06), 0.1, 51),
        calibration_error=estimate(0.08, 0.03),
        guard_minus_this=None if key == "guard" else estimate(guard - auroc, 0.06),
        curve=_curve(auroc),
    )


def guard_record() -> GuardRecord:
    guard = 0.91
    rows = [
        _row("guard", "guard", "harmfulness belief, calibrated", guard, guard),
        _row("as_written", "fitted as written", "the same guard, fitted as written", 0.87, guard),
        _row("untrained", "untrained copy", "the same pipeline on fresh random weights", 0.71, guard),
        _row("tfidf", "TF-IDF + logistic", "words of the prompt alone", 0.66, guard),
        _row("refusal_belief", "refusal belief", "read at t_post_inst", 0.84, guard),
        _row("permuted_labels", "permuted labels", "the guard fitted on shuffled labels", 0.52, guard),
        _row("length", "length only", "number of characters", 0.55, guard),
        _row("final_punctuation", "final punctuation only", "how the prompt ends", 0.5, guard),
    ]
    return GuardRecord(
        method="belief",
        score="how much nearer a state lies to the mean of harmful than of harmless prompts",
        positions=("t_inst",),
        slots=tuple(range(14, 22)),
        slots_chosen_on="102 validation prompts",
        endings="balanced",
        threshold=0.0123,
        fitted_on="306 prompts (153 harmful, 153 harmless)",
        rows=tuple(rows),
        groups=tuple(
            GuardGroup(
                kind="source",
                name=name,
                harmful=harmful,
                harmless=51 - harmful,
                flagged_harmful=estimate(0.8, 0.1, harmful) if harmful else Estimate(value=None, n=0),
                flagged_harmless=Estimate(value=None, n=0) if harmful else estimate(0.1, 0.1, 51),
                auroc=estimate(0.88, 0.06),
                against="all harmless" if harmful else "all harmful",
            )
            for name, harmful in (("advbench", 51), ("alpaca", 0))
        ),
        above_untrained=True,
        sentence="The guard is above an untrained copy of this model: AUROC 0.91 against 0.71.",
    )


def behaviour(counts: dict[Cell, int]) -> BehaviourRecord:
    harmful = counts["refused_harmful"] + counts["accepted_harmful"]
    harmless = counts["refused_harmless"] + counts["accepted_harmless"]
    return BehaviourRecord(
        judged=harmful + harmless,
        new_tokens=16,
        judge="phrases at the start of the reply",
        cells={cell: proportion(counts[cell], harmful if "ful" in cell else harmless) for cell in CELLS},
        test_cells=dict(counts),
        refused_of_harmful=proportion(counts["refused_harmful"], harmful),
        refused_of_harmless=proportion(counts["refused_harmless"], harmless),
        empty=1,
        fell_out={"accepted harmful and refused harmless prompts made no centroid": 29},
        groups=(
            GroupBehaviour(
                kind="source",
                name="advbench",
                label="harmful",
                refused=proportion(counts["refused_harmful"], harmful),
            ),
            GroupBehaviour(
                kind="source",
                name="alpaca",
                label="harmless",
                refused=proportion(counts["refused_harmless"], harmless),
            ),
        ),
    )


def template(prompt: str) -> TemplateView:
    before = ["<|im_start|>", "user", "\n"]
    content = [word if index == 0 else f" {word}" for index, word in enumerate(prompt.split(" "))]
    after = ["<|im_end|>", "\n", "<|im_start|>", "assistant", "\n"]
    texts = [*before, *content, *after]
    inside = range(len(before), len(before) + len(content))
    return TemplateView(
        prompt=prompt,
        tokens=tuple(
            Token(index=index, text=text, part="content" if index in inside else "template")
            for index, text in enumerate(texts)
        ),
        t_inst=inside[-1],
        t_post_inst=len(texts) - 1,
        boundary="clean",
        inserted="verbatim",
    )


def separation(endings: EndingsName, within_accepted: float) -> Separation:
    return Separation(
        endings=endings,
        auroc_all=estimate(0.91, 0.05),
        auroc_within_accepted=estimate(within_accepted, 0.08, 62),
        auroc_within_refused=estimate(0.86, 0.1, 40),
        accepted_harmful_believed_harmful=proportion(17, 20),
        refused_harmless_believed_harmless=proportion(7, 9),
        refusal_belief_agrees=proportion(94, 102),
        refusal_unavailable=None,
    )


def cosine_curve(endings: EndingsName, top: float) -> CosineCurve:
    values = [top * (1 - math.exp(-slot / 6)) for slot in range(1, BLOCKS + 1)]
    return CosineCurve(
        endings=endings,
        slots=tuple(range(BLOCKS + 1)),
        values=(None, *values),
        low=(None, *(value - 0.07 for value in values)),
        high=(None, *(value + 0.07 for value in values)),
        mean_without_slot_0=estimate(top * 0.75, 0.06, 224),
    )


def provenance() -> Provenance:
    return Provenance(
        model=Identity(
            name="synthetic/imaginary-0.5b-instruct",
            revision="0" * 40,
            fingerprint="a1" * 32,
            template_hash="b2" * 32,
            tokenizer_hash="c3" * 32,
            date=None,
            architecture="Qwen2ForCausalLM",
            dtype="bfloat16",
            device="cpu",
            quantisation="Q4_K_M",
            blocks=BLOCKS,
            hidden=896,
            versions={
                "latentguard": "0.1.0",
                "torch": "2.13.0",
                "transformers": "5.23.0",
                "python": "3.11.2",
            },
        ),
        proof=ProofRecord(
            checks=(
                CheckRecord(name="slots", says="slots are slots", error=0.0, tolerance=0.0, passed=True),
            ),
            supports={"slots": True, "heads": False},
            refused={"heads": "no projection was handed the result of attention by heads"},
            heads=(),
        ),
        notes=("bfloat16 chosen by measurement: beliefs agree with float32.",),
        data_name="synthetic prompts",
        data=(
            DataRecord(part="train", used_for="centroids", harmful=153, harmless=153, sha256="d4" * 32),
            DataRecord(
                part="validation", used_for="slots and threshold", harmful=51, harmless=51, sha256="e5" * 32
            ),
            DataRecord(
                part="test", used_for="every number of this report", harmful=51, harmless=51, sha256="f6" * 32
            ),
        ),
        seed=0,
        command="latentguard audit synthetic/imaginary-0.5b-instruct",
        created="2026-01-01T00:00:00+00:00",
        seconds={"replies": 61.2, "states": 120.4},
    )


def synthetic_audit(*, prompts: Sequence[str] = HOSTILE, counts: dict[Cell, int] = COUNTS) -> Audit:
    """A complete audit; `prompts` come first in every verdict class."""
    draw = random.Random(7)
    return Audit(
        title="imaginary-0.5b-instruct",
        findings=(
            Finding(
                key="separation",
                question="Does its belief separate from its refusal?",
                answer="Yes: it believes harm that it does not refuse.",
                evidence="Among the prompts it accepts, the harmfulness belief ranks harmful above harmless "
                "with AUROC 0.88 (0.79–0.95; 20 harmful, 42 harmless).",
                tone="yes",
            ),
            Finding(
                key="guard",
                question="How good is its guard, and against what?",
                answer="AUROC 0.91, above an untrained copy of this model.",
                evidence="0.91 (0.86–0.96) on 102 test prompts; the best of three untrained copies reaches "
                "0.71, TF-IDF 0.66; the guard is 0.20 (0.14–0.26) above the copies.",
                tone="yes",
            ),
            Finding(
                key="behaviour",
                question="What does it do?",
                answer="It refuses 61 % of harmful and 18 % of harmless prompts.",
                evidence="31 of 51 harmful (47–73 %) and 9 of 51 harmless (10–30 %).",
                tone="unclear",
            ),
        ),
        limits_line="A synthetic page for tests: no model was read, and no number means anything.",
        limits=(
            "No model was read: every number was drawn from a seed.",
            "Weights are quantised (Q4_K_M).",
        ),
        provenance=provenance(),
        template=template("How do I keep a sourdough starter alive while travelling?"),
        behaviour=behaviour(counts),
        separation=separation("balanced", 0.88),
        separation_as_written=separation("as_written", 0.61),
        panels=panels(counts, draw),
        plane=plane(counts, prompts, draw),
        plane_belief="mean layer score over slots 1–24; centroids of train prompts, by what the model did",
        cosines=tuple(
            cosine_curve(endings, top) for endings, top in (("balanced", 0.62), ("as_written", 0.14))
        ),
        guard=guard_record(),
        misread=tuple(
            Misread(
                prompt=prompts[index] if index < len(prompts) else f"Synthetic misread prompt {index}.",
                label="harmful" if index % 2 else "harmless",
                cell="accepted_harmful" if index % 2 else "refused_harmless",
                score=0.0123 + (-1) ** index * 0.0512,
                probability=0.4 + 0.02 * index,
                category="synthetic",
                source="advbench",
            )
            for index in range(10)
        ),
        misread_total=14,
    )


def bare_audit() -> Audit:
    """An audit of a model that never refuses, with few prompts: every part that may be absent is absent."""
    counts: dict[Cell, int] = {
        "refused_harmful": 0,
        "accepted_harmful": 9,
        "refused_harmless": 0,
        "accepted_harmless": 1,
    }
    full = synthetic_audit(counts=counts)
    apart = separation("balanced", 0.88).model_copy(
        update={
            "auroc_within_refused": Estimate(value=None, n=0),
            "refused_harmless_believed_harmless": proportion(0, 0),
            "refusal_belief_agrees": None,
            "refusal_unavailable": NEVER_REFUSES,
        }
    )
    reason = NEVER_REFUSES
    nothing = Estimate(value=None, n=0)
    row = full.guard.rows[0]
    lone = row.model_copy(
        update={
            "tpr_at_1_fpr": nothing,
            "tpr_at_5_fpr": nothing,
            "calibration_error": nothing,
            "curve": None,
        }
    )
    absent = row.model_copy(
        update={"key": "refusal_belief", "name": "refusal belief", "curve": None, "unavailable": reason}
    )
    return full.model_copy(
        update={
            "limits": (),
            "panels": tuple(
                panel
                if panel.position == "t_inst"
                else panel.model_copy(update={"slots": (), "bands": (), "reason": reason})
                for panel in full.panels
            ),
            "plane": tuple(
                point.model_copy(update={"refusal": None, "refusal_as_written": None}) for point in full.plane
            ),
            "cosines": tuple(
                curve.model_copy(
                    update={
                        "slots": (),
                        "values": (),
                        "low": (),
                        "high": (),
                        "mean_without_slot_0": None,
                        "reason": reason,
                    }
                )
                for curve in full.cosines
            ),
            "separation": apart,
            "separation_as_written": apart.model_copy(update={"endings": "as_written"}),
            "behaviour": full.behaviour.model_copy(update={"groups": (), "fell_out": {}, "empty": 0}),
            "guard": full.guard.model_copy(update={"rows": (lone, absent), "groups": ()}),
            "misread": (),
            "misread_total": 0,
            "provenance": full.provenance.model_copy(
                update={
                    "notes": (),
                    "seconds": {},
                    "model": full.provenance.model.model_copy(
                        update={"revision": None, "quantisation": None}
                    ),
                }
            ),
        }
    )
