"""What do bfloat16 and float16 change of what is read, and what do they cost or gain on this machine?

Every number is beside float32: the distance of two states relative to the length of the float32 one, the
beliefs, probabilities and verdicts of one guard that was fitted in float32. A guard on random weights means
nothing, and rounding turns over as many of its verdicts as lie near its threshold.
"""

import statistics
import tempfile
import time
from typing import Any

import torch
from harness import arguments, subject, written

from latentguard.data import Prompt, contrast_set
from latentguard.errors import NonFiniteState
from latentguard.guard import Guard
from latentguard.lm import LanguageModel

FITTED = 60
POSITIONS = ("t_inst", "t_post_inst")
DTYPES = ("float32", "bfloat16", "float16")


def alternating(prompts: tuple[Prompt, ...], each: int) -> list[Prompt]:
    """The first harmful one, the first harmless one, and so on."""
    harmful, harmless = (
        [one for one in prompts if one.label == label][:each] for label in ("harmful", "harmless")
    )
    return [one for pair in zip(harmful, harmless, strict=True) for one in pair]


def fitted(model: LanguageModel) -> Guard:
    """A guard on a part of the contrast set, at both positions."""
    taken = alternating(contrast_set().train, FITTED)
    return Guard.fit(
        model,
        taken[::2],
        taken[1::2],
        position="both",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )


def found_in(model: LanguageModel, guard: Guard, prompts: list[Prompt]) -> dict[str, Any]:
    """States and verdicts, and how long the states took."""
    with model.remembering():
        begun = time.perf_counter()
        states = model.capture([one.messages for one in prompts], positions=POSITIONS).tensor
        seconds = time.perf_counter() - begun
        verdicts = guard.score(prompts)
    return {
        "seconds": seconds,
        "states": states[:, :, 1:],
        "harmfulness": torch.tensor([one.harmfulness for one in verdicts]),
        "probability": torch.tensor([one.probability for one in verdicts]),
        "flagged": [one.flagged for one in verdicts],
    }


def beside(found: dict[str, Any], exact: dict[str, Any]) -> dict[str, Any]:
    """One dtype beside float32, as numbers."""
    apart = (found["states"] - exact["states"]).norm(dim=-1) / exact["states"].norm(dim=-1)
    belief = (found["harmfulness"] - exact["harmfulness"]).abs().max()
    turned = sum(one != other for one, other in zip(found["flagged"], exact["flagged"], strict=True))
    return {
        "seconds": found["seconds"],
        "time": found["seconds"] / exact["seconds"],
        "state_median": float(apart.median()),
        "state_worst": float(apart.max()),
        "worst_slot": int(apart.amax(dim=(0, 1)).argmax()) + 1,
        "belief_worst": float(belief),
        "belief_worst_in_deviations": float(belief / exact["harmfulness"].std()),
        "probability_worst": float((found["probability"] - exact["probability"]).abs().max()),
        "verdicts_changed": turned,
    }


def main() -> None:
    given = arguments(str(__doc__), repeats=1, prompts=100)
    prompts = alternating(contrast_set().test, given.prompts // 2)
    rows: list[dict[str, Any]] = []
    exact: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for given.dtype in DTYPES:
            model = subject(given)
            if not exact:
                fitted(model).save(folder)
            guard = Guard.load(folder, model, transfer=True)
            try:
                found = found_in(model, guard, prompts)
            except NonFiniteState as error:
                rows.append({"dtype": given.dtype, "refused": str(error).splitlines()[0]})
                continue
            exact = exact or found
            rows.append({"dtype": given.dtype, **beside(found, exact)})
    tokens = statistics.mean(len(model.render(one.messages).ids) for one in prompts)
    table = [
        "| beside float32 | states: median, worst | belief: worst, in deviations | probability: worst "
        f"| verdicts turned of {len(prompts)} | time |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "refused" in row:
            table.append(f"| {row['dtype']} | refused: {row['refused']} | | | | |")
            continue
        table.append(
            f"| {row['dtype']} "
            f"| {row['state_median']:.1e}, {row['state_worst']:.1e} at slot {row['worst_slot']} "
            f"| {row['belief_worst']:.1e}, {row['belief_worst_in_deviations']:.3f} "
            f"| {row['probability_worst']:.3f} | {row['verdicts_changed']} | {row['time']:.2f} |"
        )
    notes = [
        f"{len(prompts)} prompts of {tokens:.0f} tokens in the mean, slots 1 to L at t_inst and t_post_inst."
    ]
    name = f"precision-{model.name.rsplit('/')[-1]}"
    written(
        name, {"prompts": len(prompts), "rows": rows}, table, notes, model, given, dtype=", ".join(DTYPES)
    )


if __name__ == "__main__":
    main()
