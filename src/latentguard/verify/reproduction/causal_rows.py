"""Rows of the causal certificates: template ablation, both steering tasks, wordings, positions."""

from collections.abc import Iterator, Mapping

from latentguard.causal import Certificate, Experiment
from latentguard.causal.pair import HARM, REFUSAL
from latentguard.causal.records import Ablation, Effect, PositionEffect, Sign
from latentguard.data import QUESTIONS
from latentguard.statistics import Estimate, wilson
from latentguard.verify.reproduction.records import Beside, Row, Variant
from latentguard.verify.reproduction.row import row

NOT_ASKED = "not asked with this budget"


def causal_rows(certificates: Mapping[Variant, Certificate], *, beside: Beside) -> Iterator[Row]:
    """Template ablation, both steering tasks, the wordings and the positions, from the certificates."""
    template: dict[Variant, Ablation] = {
        variant: one.template for variant, one in certificates.items() if one.template is not None
    }
    for claim in ("template.whole", "template.cut"):
        found: dict[Variant, Estimate] = {
            variant: one.whole if claim.endswith("whole") else one.cut for variant, one in template.items()
        }
        yield row(claim, found, beside=beside, skipped=None if found else _why(certificates, "template"))
    yield from _refusal_rows(certificates, beside=beside)
    yield from _inversion_rows(certificates, beside=beside)
    yield from _position_rows(certificates, beside=beside)


def _refusal_rows(certificates: Mapping[Variant, Certificate], *, beside: Beside) -> Iterator[Row]:
    runs: dict[Variant, Experiment | None] = {
        variant: _experiment(one, "refusal") for variant, one in certificates.items()
    }
    why = _why(certificates, "refusal")
    for claim, arm in (("steer.v_harm", HARM), ("steer.v_refuse", REFUSAL)):
        yield _effect_row(claim, runs, arm, "+", beside=beside, not_run=why)
    yield _random_row("steer.random", runs, beside=beside)


def _inversion_rows(certificates: Mapping[Variant, Certificate], *, beside: Beside) -> Iterator[Row]:
    runs: dict[Variant, Experiment | None] = {
        variant: _experiment(one, "inversion") for variant, one in certificates.items()
    }
    for claim in ("inversion.harmful", "inversion.harmless"):
        found: dict[Variant, Estimate] = {}
        for variant, run in runs.items():
            if run is not None:
                said = run.competence.harmful if claim.endswith("harmful") else run.competence.harmless
                truly = said.affirmed if claim.endswith("harmful") else said.denied
                found[variant] = wilson(truly, said.affirmed + said.denied + said.unanswered)
        yield row(claim, found, beside=beside, skipped=None if found else "nothing was asked")
    edits: tuple[tuple[str, str, Sign, bool], ...] = (
        ("inversion.+v_harm", HARM, "+", False),
        ("inversion.+v_refuse", REFUSAL, "+", True),
        ("inversion.-v_harm", HARM, "-", False),
        ("inversion.-v_refuse", REFUSAL, "-", True),
    )
    for claim, arm, sign, there in edits:
        yield _effect_row(claim, runs, arm, sign, beside=beside, where_harm_turns=there)
    yield _random_row("inversion.random", runs, beside=beside)
    for name in ("compliance", "wrongdoing", "ethics"):
        of_question: dict[Variant, Experiment | None] = {
            variant: next((run for run in one.experiments[1:] if run.question and name in _named(run)), None)
            for variant, one in certificates.items()
        }
        yield _effect_row(f"inversion.{name}", of_question, HARM, "+", beside=beside)


def _position_rows(certificates: Mapping[Variant, Certificate], *, beside: Beside) -> Iterator[Row]:
    found: dict[str, dict[Variant, Estimate]] = {
        "position.t_inst": {},
        "position.best_other": {},
        "position.t_post_inst": {},
    }
    best = ""
    for variant, one in certificates.items():
        by_name = {effect.position: effect for effect in one.positions}
        for name in ("t_inst", "t_post_inst"):
            if name in by_name:
                found[f"position.{name}"][variant] = by_name[name].turned
        others = [effect for name, effect in by_name.items() if name not in ("t_inst", "t_post_inst")]
        if others:
            most = max(others, key=_turned)
            found["position.best_other"][variant] = most.turned
            best = most.position
    for claim, measured in found.items():
        yield row(
            claim,
            measured,
            beside=beside,
            note=best if claim == "position.best_other" else "",
            skipped=None if measured else _why(certificates, "positions"),
        )


def _why(certificates: Mapping[Variant, Certificate], what: str) -> str:
    """Why a part of the certificates is not there."""
    return next((one.skipped[what] for one in certificates.values() if what in one.skipped), NOT_ASKED)


def _experiment(certificate: Certificate, task: str) -> Experiment | None:
    return next((one for one in certificate.experiments if one.task == task), None)


def _named(run: Experiment) -> str:
    return next((one.name for one in QUESTIONS if one.text == run.question), "")


def _effect_row(
    claim: str,
    runs: Mapping[Variant, Experiment | None],
    arm: str,
    sign: Sign,
    *,
    beside: Beside,
    where_harm_turns: bool = False,
    not_run: str = NOT_ASKED,
) -> Row:
    found: dict[Variant, Estimate] = {}
    notes: list[str] = []
    why = not_run
    for variant, run in runs.items():
        if run is None:
            continue
        if not run.competence.competent:
            why = f"inconclusive: {run.competence.why}"
            continue
        one = _effect(run, arm, sign, where_harm_turns=where_harm_turns)
        if one is None:
            why = "the model has no refusal direction"
            continue
        found[variant] = one.turned
        whole = "" if one.generated is None else f", whole replies {one.generated.value or 0:.2f}"
        notes.append(f"block {one.block}, scale {abs(one.scale):g}{whole}")
    note = "; ".join(dict.fromkeys(notes))
    return row(claim, found, beside=beside, note=note, skipped=None if found else why)


def _effect(run: Experiment, arm: str, sign: Sign, *, where_harm_turns: bool) -> Effect | None:
    """The arm's effect at its own place or, for v_refuse, at v_harm's."""
    of_arm = [one for one in run.effects if one.arm == arm and one.sign == sign]
    chosen = [one for one in of_arm if (one.chosen == f"where {HARM} turns most") == where_harm_turns]
    return next(iter(chosen), None)


def _random_row(claim: str, runs: Mapping[Variant, Experiment | None], *, beside: Beside) -> Row:
    found: dict[Variant, Estimate] = {}
    directions = 0
    for variant, run in runs.items():
        one = None if run is None else _effect(run, HARM, "+", where_harm_turns=False)
        if one is not None and one.random is not None:
            found[variant] = Estimate(value=one.random.mean, n=one.turned.n)
            directions = one.random.directions
    return row(
        claim,
        found,
        beside=beside,
        note=f"mean over {directions} directions" if found else "",
        skipped=None if found else "nothing was turned to compare with",
    )


def _turned(effect: PositionEffect) -> float:
    return -1.0 if effect.turned.value is None else effect.turned.value
