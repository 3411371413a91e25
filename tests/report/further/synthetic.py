"""Results of every other command, about the model of the synthetic audit: invented numbers, hostile names."""

import math
import random
from collections.abc import Sequence
from dataclasses import fields
from typing import TypedDict

from pydantic import BaseModel

from latentguard.beliefs.jailbreak_record import (
    AttackedPrompt,
    AttackRecord,
    JailbreakRecord,
    ShiftRecord,
)
from latentguard.causal.records import (
    Ablation,
    Apart,
    CategoryCosines,
    Certificate,
    Competence,
    Controls,
    Curve,
    Effect,
    Experiment,
    PositionEffect,
    Price,
    Sign,
    Spoken,
    Verdict,
)
from latentguard.compare import CHANGES, Comparison, Side, Slotwise
from latentguard.guard.ablations import Ablations, SizeRow, SlotRow
from latentguard.lm import Identity, ProofRecord
from latentguard.report.further import Further
from latentguard.report.schema import Audit
from latentguard.rivals import Contest, SetRow, Standing
from latentguard.statistics import Estimate
from latentguard.verify.reproduction import LayerCurve, Reproduction, Row
from tests.report.synthetic import BLOCKS, HOSTILE

ARMS = ("v_harm", "v_refuse")


def estimate(value: float, n: int = 25) -> Estimate:
    return Estimate(value=value, low=max(value - 0.1, -1.0), high=min(value + 0.1, 1.0), n=n)


def by_slot(values: Sequence[float]) -> tuple[Estimate, ...]:
    return tuple(estimate(value) for value in values)


def synthetic_further(audit: Audit) -> Further:
    about: About = {"model": audit.provenance.model, "proof": audit.provenance.proof}
    return Further(
        causal=certificate(about),
        jailbreaks=jailbreaks(about),
        comparison=comparison(about),
        rivals=rivals(about),
        ablations=ablations(about),
        reproduction=reproduction(about),
    )


class About(TypedDict):
    """Which model a result is about, and what was proved of it."""

    model: Identity
    proof: ProofRecord


def records_of(further: Further) -> list[BaseModel]:
    """Every result, in the order of their files."""
    return [getattr(further, field.name) for field in fields(further)]


def _curve(arm: str, sign: Sign) -> Curve:
    centre, top = (9, 0.95) if arm == "v_harm" else (18, 0.6)
    turned = [top * math.exp(-((block - centre) ** 2) / 20) for block in range(BLOCKS)]
    return Curve(
        arm=arm, sign=sign, scale=1.0 if sign == "+" else -1.0, scope="context", half="selection",
        blocks=tuple(range(BLOCKS)), turned=tuple(round(one * 25) / 25 for one in turned),
        affirmative=tuple(turned), n=25,
    )  # fmt: skip


def _effect(arm: str, sign: Sign) -> Effect:
    controls = Controls(directions=20, mean=0.042, worst=0.16, above=estimate(0.713))
    spoken = Spoken(affirmed=20, denied=4, unanswered=1, words=((" Yes", 20), (HOSTILE[0], 5)))
    return Effect(
        arm=arm, sign=sign, block=9, scale=1.0, scope="context", chosen="most turned", turned=estimate(0.815),
        before=spoken, after=spoken, random=controls, shuffled=None if arm == "v_refuse" else controls,
        price=Price(kl=0.237, perplexity=9.1, perplexity_unedited=8.2, kl_of_random=0.11, texts=10),
    )  # fmt: skip


def certificate(about: About) -> Certificate:
    spoken = Spoken(affirmed=24, denied=1, unanswered=0)
    signs: Sequence[Sign] = ("+", "-")
    run = Experiment(
        task="inversion",
        question=f"Could this cause harm? {HOSTILE[0]}",
        competence=Competence(harmful=spoken, harmless=spoken, competent=True, why="24 of 25 truly"),
        curves=tuple(_curve(arm, sign) for sign in signs for arm in ARMS),
        effects=tuple(_effect(arm, sign) for sign in signs for arm in ARMS),
        apart=(
            Apart(sign="+", more="v_harm", less="v_refuse", block=9, scale=1.0, difference=estimate(0.7)),
        ),
        selected_on=50,
        reported_on=50,
    )
    unable = Experiment(
        task="refusal", question=None,
        competence=Competence(harmful=spoken, harmless=spoken, competent=False, why="it refuses 3 of 25"),
        curves=(), effects=(), apart=(), selected_on=50, reported_on=50,
    )  # fmt: skip
    return Certificate(
        **about, command="latentguard steer", seed=0, basis="behaviour", unavailable=None,
        endings="balanced", fitted_on=130, data_hash="0" * 64,
        readable={"harmfulness": estimate(0.97), "refusal": estimate(0.95)}, cosine=(None, 0.51, 0.62),
        experiments=(run, unable),
        positions=(PositionEffect(position="t_inst", token=HOSTILE[1], block=9, turned=estimate(0.85)),),
        template=Ablation(whole=estimate(0.92), cut=estimate(0.64), empty_when_cut=2, removed=5),
        verdicts=(Verdict(belief="harmfulness", said="causal", why=f"+v_harm turns 0.82 {HOSTILE[3]}"),),
    )  # fmt: skip


def jailbreaks(about: About) -> JailbreakRecord:
    draw = random.Random(1)
    kinds = ("template", HOSTILE[1])
    prompts = tuple(
        AttackedPrompt(
            id=f"p{n}", base_id=f"b{n}", attack=kinds[n % 2], succeeded=n % 5 != 0,
            harmfulness=(0.05 + draw.gauss(0, 0.01), 0.04 + draw.gauss(0, 0.01)),
            refusal=(0.10 + draw.gauss(0, 0.02), -0.06 + draw.gauss(0, 0.02)),
        )
        for n in range(40)
    )  # fmt: skip
    shift = ShiftRecord(before=0.051, after=0.043, shift=estimate(-0.008, 16))
    rows = tuple(
        AttackRecord(
            attack=kind, n=20, accepted_anyway=0, succeeded=estimate(0.8, 20), harmfulness=shift,
            refusal=None if kind == "template" else shift, still_believed=estimate(0.9, 16),
            lowers="both", reverses="refusal only",
        )
        for kind in kinds
    )  # fmt: skip
    return JailbreakRecord(
        **about, fitted_on=130, left_out_of_the_fit=4, behaviour={"refused_harmful": 60}, attacks=rows,
        prompts=prompts,
    )  # fmt: skip


def comparison(about: About) -> Comparison:
    def side(refused: float, identity: Identity) -> Side:
        return Side(
            model=identity, proof=about["proof"], refused_of_harmful=estimate(refused),
            refused_of_harmless=estimate(0.07), flagged_of_harmful=estimate(0.93),
            flagged_of_harmless=estimate(0.06), auroc=estimate(0.96),
        )  # fmt: skip

    model = about["model"]
    after = model.model_copy(update={"name": HOSTILE[0], "fingerprint": "after"})
    level = [0.04 * slot for slot in range(BLOCKS + 1)]
    return Comparison(
        command="latentguard compare", seed=0, data_hash="0" * 64, n=50, fitted_on=120,
        before=side(0.91, model), after=side(0.12, after),
        changes={name: estimate(0.033 * (index + 1)) for index, name in enumerate(CHANGES)},
        moved={"accepted": 19, "refused": 1},
        beliefs=(
            Slotwise(label="harmful", before=by_slot(level), after=by_slot([0.9 * one for one in level])),
            Slotwise(
                label="harmless", before=by_slot([-one for one in level]),
                after=by_slot([-0.5 * one for one in level]),
            ),
        ),
        v_harm_cosine=(None, 0.98), v_refuse_cosine=(), notes=(f"a note {HOSTILE[6]}",),
    )  # fmt: skip


def rivals(about: About) -> Contest:
    def standing(name: str, level: float) -> Standing:
        sets = (
            SetRow(
                source=HOSTILE[1], label="harmful", n=90, auroc=estimate(level),
                flagged=(estimate(level), estimate(level + 0.02)),
            ),
            SetRow(
                source="or_bench_hard", label="harmless", n=80, auroc=estimate(0.7),
                flagged=(estimate(0.11), estimate(0.34)),
            ),
        )  # fmt: skip
        return Standing(
            name=name, thresholds=(1.5, 0.9), ordinary=(0.01, 0.05), sets=sets,
            recall=(estimate(level), estimate(level)), over_refusal=(estimate(0.11), estimate(0.34)),
            auroc=estimate(level),
        )  # fmt: skip

    gone = standing("first token", 0.2).model_copy(update={"sets": (), "unavailable": "nothing was refused"})
    return Contest(
        command="latentguard rivals", **about, fitted_on="advbench, alpaca", n_train=140,
        n_validation=60, rates=(0.01, 0.05), n_ordinary=200, left_out=3, unlabelled=0, seed=0,
        data_hash="0" * 64,
        standings=(standing("Latent Guard", 0.81), standing("TF-IDF + logistic", 0.52), gone),
    )  # fmt: skip


def ablations(about: About) -> Ablations:
    sizes = ((10, 5, 0.71, 0.63), (100, 1, 0.88, 0.88))
    return Ablations(
        command="latentguard ablations", **about, fitted_on=HOSTILE[3], n_train=210, n_validation=70,
        n_test=140, left_out=(200,), data_hash="0" * 64, seed=0,
        sizes=tuple(
            SizeRow(prompts=prompts, draws=draws, auroc=estimate(value), worst=worst)
            for prompts, draws, value, worst in sizes
        ),
        slots=(
            *(SlotRow(slot=slot, auroc=estimate(0.5 + slot / 100)) for slot in range(BLOCKS + 1)),
            SlotRow(slot=None, auroc=estimate(0.83)),
        ),
    )  # fmt: skip


def reproduction(about: About) -> Reproduction:
    measured = {"authors": estimate(0.31), "as_written": estimate(0.38), "balanced": estimate(0.77)}
    rows = (
        Row(
            claim="guard.accepted_harmful", experiment="Latent Guard",
            what="accepted harmful believed harmful", source="guard table", paper={"Llama-2": "0.94"},
            measured=measured, note=f"note {HOSTILE[2]}",
        ),
        Row(
            claim="fine-tuning", experiment="adversarial fine-tuning", what="belief after 400 pairs",
            source="figure", paper={}, measured={}, skipped=f"on the organism alone {HOSTILE[5]}",
        ),
    )  # fmt: skip
    curves = tuple(
        LayerCurve(
            variant=variant, belief="harmfulness", cell=cell, n=40,
            mean=tuple(height * slot / BLOCKS for slot in range(BLOCKS + 1)),
            low=tuple(height * slot / BLOCKS - 0.01 for slot in range(BLOCKS + 1)),
            high=tuple(height * slot / BLOCKS + 0.01 for slot in range(BLOCKS + 1)),
        )
        for variant in ("as_written", "balanced")
        for cell, height in (("refused_harmful", 0.1), ("accepted_harmless", -0.09))
    )  # fmt: skip
    names = ("fraud", HOSTILE[1], "hate")
    matrix = ((1.0, 0.72, 0.66), (0.72, 1.0, 0.61), (0.66, 0.61, 1.0))
    return Reproduction(
        **about, command="latentguard reproduce harmfulness", budget="full", seed=0, data=HOSTILE[0],
        data_hash="0" * 64, behaviour={"refused_harmful": 60}, notes=(), rows=rows, curves=curves,
        categories=CategoryCosines(
            names=names, n=(40, 40, 40), harm=matrix, refusal=matrix, harm_halves=matrix,
            refusal_halves=matrix,
        ),
    )  # fmt: skip
