"""Rows of a reproduction: each claim with what was measured of it, or why nothing was."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from latentguard.beliefs import Behaviour
from latentguard.beliefs.behaviour import CELLS
from latentguard.causal import Certificate, Experiment
from latentguard.causal.categories import CategoryDirections
from latentguard.causal.pair import HARM, REFUSAL
from latentguard.causal.records import Ablation, Effect, PositionEffect, Sign
from latentguard.statistics import Estimate, wilson
from latentguard.verify.reproduction.claims import CLAIMS
from latentguard.verify.reproduction.readings import Read
from latentguard.verify.reproduction.records import Row, Variant

FEWEST = 5
"""Fewer prompts of a kind say nothing about it."""


def row(
    claim: str,
    measured: Mapping[Variant, Estimate] | None,
    *,
    planted: bool,
    note: str = "",
    skipped: str | None = None,
) -> Row:
    """A claim's row. `planted`: beside what is planted in the organism, not beside the paper."""
    said = CLAIMS[claim]
    expected = said.paper if not planted else {} if said.planted is None else {"planted": said.planted}
    return Row(
        claim=claim,
        experiment=said.experiment,
        what=said.what,
        source=said.source if not planted else "planted",
        paper=expected,
        measured=dict(measured or {}),
        note=note,
        skipped=skipped,
    )


def belief_rows(
    readings: Mapping[Variant, Read],
    behaviour: Behaviour,
    members: Bool[np.ndarray, " prompt"],
    *,
    planted: bool,
) -> Iterator[Row]:
    """Both beliefs of the four verdict cells among `members`, the angle, and the guard's accuracies."""
    cells = {
        name: np.isin(np.arange(len(members)), indices) & members
        for name, indices in behaviour.cells().items()
    }
    for belief in ("harmfulness", "refusal"):
        for cell in CELLS:
            n = int(cells[cell].sum())
            skipped = None if n >= FEWEST else f"the model gave only {n} prompts of this cell"
            found: dict[Variant, Estimate] = {
                variant: one.mean_of(one.harmfulness if belief == "harmfulness" else one.refusal, cells[cell])
                for variant, one in readings.items()
            }
            unread = next(iter(readings.values())).reading.unavailable if belief == "refusal" else None
            skipped = skipped or unread
            yield row(f"{belief}.{cell}", None if skipped else found, planted=planted, skipped=skipped)
    unread = next(iter(readings.values())).reading.unavailable
    yield row(
        "cosine",
        None if unread else {variant: one.cosine for variant, one in readings.items()},
        planted=planted,
        skipped=unread,
    )
    for claim, cell, harmful in (
        ("guard.accepted_harmful", "accepted_harmful", True),
        ("guard.refused_harmless", "refused_harmless", False),
        ("guard.ordinary", "accepted_harmless", True),
    ):
        yield _accuracy(claim, readings, cells[cell], harmful=harmful, planted=planted)


def jailbreak_rows(
    readings: Mapping[Variant, Read],
    attacks: Sequence[str | None],
    succeeded: Bool[np.ndarray, " prompt"],
    missing: Mapping[str, str],
    *,
    planted: bool,
) -> Iterator[Row]:
    """What is believed of attacks that succeed on this model, kind by kind."""
    for attack in ("adv-suffix", "persuasion", "template"):
        of_kind = np.array([one == attack for one in attacks], dtype=bool)
        members = of_kind & succeeded
        note = f"{int(members.sum())} of {int(of_kind.sum())} succeed"
        why = missing.get(attack)
        unread = next(iter(readings.values())).reading.unavailable
        guard = _accuracy(f"guard.{attack}", readings, members, harmful=True, planted=planted, note=note)
        yield row(guard.claim, None, planted=planted, skipped=why) if why else guard
        if int(members.sum()) < FEWEST or unread:
            why = why or (unread if int(members.sum()) >= FEWEST else f"too few succeed: {note}")
        found: dict[Variant, Estimate] = {
            variant: one.mean_of(one.refusal, members) for variant, one in readings.items()
        }
        yield row(f"jailbreak.{attack}", None if why else found, planted=planted, note=note, skipped=why)


def _accuracy(
    claim: str,
    readings: Mapping[Variant, Read],
    members: Bool[np.ndarray, " prompt"],
    *,
    harmful: bool,
    planted: bool,
    note: str = "",
) -> Row:
    """Share of `members` whose harmfulness belief has the given sign; 0 is positive, as in the paper."""
    n = int(members.sum())
    if n < FEWEST:
        why = f"too few succeed: {note}" if note else f"the model gave only {n} prompts of this cell"
        return row(claim, None, planted=planted, note=note, skipped=why)
    found: dict[Variant, Estimate] = {}
    for variant, one in readings.items():
        believed: Float[np.ndarray, " prompt"] = one.harmfulness[members] >= 0
        found[variant] = wilson(int((believed == harmful).sum()), n)
    return row(claim, found, planted=planted, note=note)


def causal_rows(certificates: Mapping[Variant, Certificate], *, planted: bool) -> Iterator[Row]:
    """Template ablation, both steering tasks, the wordings and the positions, from the certificates."""
    template: dict[Variant, Ablation] = {
        variant: one.template for variant, one in certificates.items() if one.template is not None
    }
    for claim in ("template.whole", "template.cut"):
        found: dict[Variant, Estimate] = {
            variant: one.whole if claim.endswith("whole") else one.cut for variant, one in template.items()
        }
        skipped = None if found else "the template shares a token with the instruction, or ends unevenly"
        yield row(claim, found, planted=planted, skipped=skipped)
    yield from _refusal_rows(certificates, planted=planted)
    yield from _inversion_rows(certificates, planted=planted)
    yield from _position_rows(certificates, planted=planted)


def _refusal_rows(certificates: Mapping[Variant, Certificate], *, planted: bool) -> Iterator[Row]:
    runs: dict[Variant, Experiment | None] = {
        variant: _experiment(one, "refusal") for variant, one in certificates.items()
    }
    for claim, arm in (("steer.v_harm", HARM), ("steer.v_refuse", REFUSAL)):
        yield _effect_row(claim, runs, arm, "+", planted=planted, generated=True)
    yield _random_row("steer.random", runs, planted=planted)


def _inversion_rows(certificates: Mapping[Variant, Certificate], *, planted: bool) -> Iterator[Row]:
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
        yield row(claim, found, planted=planted, skipped=None if found else "nothing was asked")
    edits: tuple[tuple[str, str, Sign, bool], ...] = (
        ("inversion.+v_harm", HARM, "+", False),
        ("inversion.+v_refuse", REFUSAL, "+", True),
        ("inversion.-v_harm", HARM, "-", False),
        ("inversion.-v_refuse", REFUSAL, "-", True),
    )
    for claim, arm, sign, there in edits:
        yield _effect_row(claim, runs, arm, sign, planted=planted, where_harm_turns=there)
    yield _random_row("inversion.random", runs, planted=planted)
    for name in ("compliance", "wrongdoing", "ethics"):
        of_question: dict[Variant, Experiment | None] = {
            variant: next((run for run in one.experiments[1:] if run.question and name in _named(run)), None)
            for variant, one in certificates.items()
        }
        yield _effect_row(f"inversion.{name}", of_question, HARM, "+", planted=planted)


def _position_rows(certificates: Mapping[Variant, Certificate], *, planted: bool) -> Iterator[Row]:
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
            planted=planted,
            note=best if claim == "position.best_other" else "",
            skipped=None if measured else "not asked with this budget, or the template ends unevenly",
        )


def category_rows(found: CategoryDirections | None, why: str | None, *, planted: bool) -> Iterator[Row]:
    """Mean cosines of categories' directions, over categories."""
    for which in ("harm", "refusal"):
        if found is None:
            yield row(f"category.{which}", None, planted=planted, skipped=why)
            continue
        values = found.to_others(which)
        most, least = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
        cosine = Estimate(value=float(np.mean(list(values.values()))), n=sum(found.n))
        yield row(
            f"category.{which}",
            {"balanced": cosine},
            planted=planted,
            note=f"{least} {values[least]:.2f} to {most} {values[most]:.2f}",
        )


def skipped_rows(*, planted: bool) -> Iterator[Row]:
    """What is never measured here, and where it can be."""
    for claim, why in (
        (
            "fine-tuning",
            "fine-tuning attacks run on the organism alone: latentguard organism attack, then compare",
        ),
        ("out-of-domain", "neither set is at hand"),
        ("llama-guard", "beside any classifier or endpoint of your own: latentguard rivals"),
    ):
        yield row(claim, None, planted=planted, skipped=why)


def _experiment(certificate: Certificate, task: str) -> Experiment | None:
    return next((one for one in certificate.experiments if one.task == task), None)


def _named(run: Experiment) -> str:
    from latentguard.data import QUESTIONS

    return next((one.name for one in QUESTIONS if one.text == run.question), "")


def _effect_row(
    claim: str,
    runs: Mapping[Variant, Experiment | None],
    arm: str,
    sign: Sign,
    *,
    planted: bool,
    where_harm_turns: bool = False,
    generated: bool = False,
) -> Row:
    found: dict[Variant, Estimate] = {}
    notes: list[str] = []
    why = "the task was not run"
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
        found[variant] = one.generated if generated and one.generated is not None else one.turned
        notes.append(f"block {one.block}, scale {abs(one.scale):g}")
    note = "; ".join(dict.fromkeys(notes))
    return row(claim, found, planted=planted, note=note, skipped=None if found else why)


def _effect(run: Experiment, arm: str, sign: Sign, *, where_harm_turns: bool) -> Effect | None:
    """The arm's effect at its own place or, for v_refuse, at v_harm's."""
    of_arm = [one for one in run.effects if one.arm == arm and one.sign == sign]
    chosen = [one for one in of_arm if (one.chosen == f"where {HARM} turns most") == where_harm_turns]
    return next(iter(chosen), None)


def _random_row(claim: str, runs: Mapping[Variant, Experiment | None], *, planted: bool) -> Row:
    found: dict[Variant, Estimate] = {}
    for variant, run in runs.items():
        one = None if run is None else _effect(run, HARM, "+", where_harm_turns=False)
        if one is not None and one.random is not None:
            found[variant] = Estimate(value=one.random.mean, n=one.random.directions)
    return row(
        claim,
        found,
        planted=planted,
        note="mean over directions" if found else "",
        skipped=None if found else "nothing was turned to compare with",
    )


def _turned(effect: PositionEffect) -> float:
    return -1.0 if effect.turned.value is None else effect.turned.value
