"""The causal figures of docs/real-causes.md, for one model: certificate, wordings, positions, template.

    python .ci/soak/real_causal.py MODEL --shared ../shared --out FILE.md --work DIR [--each 25] [--full]

Directions are fitted on AdvBench and Alpaca with balanced endings; questions are asked about other prompts of
the same two sets. What was measured is kept in `--work`, and a run that was killed goes on where it was.
"""

import argparse
import json
import random
import time
from pathlib import Path

from tables import log, table

import latentguard
from latentguard.causal import Certificate, Controls, Effect, Effort, Experiment, Trial, certify, plan
from latentguard.data import QUESTIONS, Prompt, read_prompts
from latentguard.statistics import Estimate


def said(stage: str, done: int, total: int) -> None:
    if done >= total or done % 10 == 0:
        log.print(f"  {time.strftime('%H:%M:%S')} {stage}: {done} of {total}")


def sampled(shared: Path, name: str, n: int) -> list[Prompt]:
    """`n` prompts of one set, the same at every call."""
    rows = read_prompts(shared / "data" / f"{name}.jsonl")
    return random.Random(f"causal {name}").sample(rows, n)


def trial_of(shared: Path, fitted: int, each: int) -> Trial:
    fit: list[Prompt] = []
    select: list[Prompt] = []
    report: list[Prompt] = []
    for name in ("advbench", "alpaca_sample"):
        drawn = sampled(shared, name, fitted + 2 * each)
        fit += drawn[:fitted]
        select += drawn[fitted : fitted + each]
        report += drawn[fitted + each :]
    return Trial.of(fit, select, report, fitted=fitted, each=each)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def interval(found: Estimate | None) -> str:
    if found is None or found.value is None:
        return ""
    return f"{found.value:.2f} [{number(found.low)}, {number(found.high)}]"


def controls(found: Controls | None) -> str:
    return "" if found is None else f"{number(found.mean)}, {number(found.worst)}"


def effect_row(effect: Effect) -> tuple[str, ...]:
    price = "" if effect.price is None else f"{effect.price.kl:.2f} ({number(effect.price.kl_of_random)})"
    return (
        effect.named,
        f"{effect.block}, {abs(effect.scale):g}",
        interval(effect.turned),
        controls(effect.random),
        interval(None if effect.random is None else effect.random.above),
        controls(effect.shuffled),
        controls(effect.permuted),
        f"{effect.after.begun} (before: {effect.before.begun})" if effect.after.begun else "",
        price,
        interval(effect.generated),
    )


def experiment_text(found: Experiment) -> str:
    head = (
        "added", "block, scale", "turned", "random: mean, worst", "above random", "shuffled: mean, worst",
        "shuffled, as drawn: mean, worst", "replies begin", "KL (random)", "whole replies",
    )  # fmt: skip
    name = f"{found.task}: “{found.question}”" if found.question else found.task
    text = f"#### {name}\n\n{found.competence.why}"
    if not found.competence.competent:
        return text + ".\n"
    text += f"; {found.selected_on} prompts chosen on, {found.reported_on} reported.\n\n"
    text += table(head, [effect_row(one) for one in found.effects])
    blocks = found.curves[0].blocks if found.curves else ()
    rows = [
        (f"{one.sign}{one.arm}, {abs(one.scale):g}, {one.half}", *(number(share) for share in one.turned))
        for one in found.curves
    ]
    text += "\n" + table(("turned at block", *map(str, blocks)), rows)
    for one in found.apart:
        text += (
            f"\n{one.sign}{one.more} turns {interval(one.difference)} more than {one.sign}{one.less} does at "
            f"block {one.block}, scale {abs(one.scale):g}.\n"
        )
    return text


def certificate_text(found: Certificate) -> str:
    parts = [
        table(
            ("belief", "AUROC", "verdict", "because"),
            [
                (one.belief, interval(found.readable.get(one.belief)), one.said, one.why)
                for one in found.verdicts
            ],
        )
    ]
    parts += [experiment_text(one) for one in found.experiments]
    if found.positions:
        parts.append(
            table(
                ("v_harm fitted at", "token", "block", "turned", "random: mean, worst"),
                [
                    (
                        one.position,
                        repr(one.token),
                        str(one.block),
                        interval(one.turned),
                        controls(one.random),
                    )
                    for one in found.positions
                ],
            )
        )
    parts += [f"Not measured: {what}: {why}\n" for what, why in found.skipped.items()]
    if (cut := found.template) is not None:
        parts.append(
            f"Refused: {interval(cut.whole)}; without the {cut.removed} tokens behind the instruction "
            f"{interval(cut.cut)}, {cut.empty_when_cut} replies empty.\n"
        )
    known = [one for one in found.cosine[1:] if one is not None]
    if known:
        parts.append(f"Cosine of the two directions: {min(known):.2f} to {max(known):.2f} over slots.\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--each", type=int, default=25)
    parser.add_argument("--fitted", type=int, default=65)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--inversion-only", action="store_true")
    parser.add_argument("--more", action="store_true", help="wordings, positions and template, too")
    given = parser.parse_args()
    begun = time.perf_counter()
    model = latentguard.load(given.model, dtype=given.dtype)
    for note in model.notes:
        log.print(note)
    trial = trial_of(given.shared, given.fitted, given.each)
    tasks = ("inversion",) if given.inversion_only else ("inversion", "refusal")
    effort = Effort(full=given.full)
    planned = plan(model, trial, tasks=tasks, effort=effort)
    log.print(
        f"{planned.forwards:,.0f} forwards, {planned.tokens:,.0f} tokens, {planned.minutes:.0f} minutes"
    )
    found = certify(
        model,
        trial,
        tasks=tasks,
        effort=effort,
        wordings=[one for one in QUESTIONS if one.text != trial.question] if given.more else (),
        positions=given.more,
        template=given.more,
        folder=given.work,
        command=" ".join(["real_causal.py", Path(given.model).name, f"--each {given.each}"]),
        progress=said,
    )
    minutes = (time.perf_counter() - begun) / 60
    identity = found.model
    head = (
        f"### Cause: {identity.name}\n\n`{found.command}`; {identity.quantisation}, in {identity.dtype}; "
        f"directions from {found.fitted_on} prompts ({found.basis}, {found.endings} endings); "
        f"{minutes:.0f} minutes on this call.\n\n"
    )
    given.out.write_text(head + certificate_text(found), encoding="utf-8")
    given.out.with_suffix(".json").write_text(json.dumps(found.model_dump(mode="json")), encoding="utf-8")
    log.print(f"written to {given.out}")


if __name__ == "__main__":
    main()
