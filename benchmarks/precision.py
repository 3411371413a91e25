"""What do bfloat16 and float16 change of what is read, and what do they gain on this machine?

Every number is beside float32: the distance of two states relative to the length of the float32 one, the
beliefs and scores of one guard fitted in float32, and the verdicts that it turns over.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from harness import arguments, subject

from latentguard.data import contrast_set
from latentguard.errors import NonFiniteState
from latentguard.guard import Guard
from latentguard.lm import LanguageModel

FITTED, READ = 60, 100
POSITIONS = ("t_inst", "t_post_inst")
DTYPES = ("float32", "bfloat16", "float16")


def fitted(model: LanguageModel) -> Guard:
    """A guard on a part of the contrast set, at both positions."""
    train = contrast_set().train
    harmful, harmless = (
        [one for one in train if one.label == label][:FITTED] for label in ("harmful", "harmless")
    )
    return Guard.fit(
        model, harmful, harmless, position="both", behaviour="skip", untrained_copies=0, permutations=0
    )


def main() -> None:
    given = arguments(str(__doc__), repeats=1)
    prompts = contrast_set().test[:READ]
    texts = [one.messages for one in prompts]
    rows: list[dict[str, Any]] = []
    exact: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in DTYPES:
            given.dtype = dtype
            model = subject(given)
            name = model.name
            if not exact:
                fitted(model).save(folder)
            guard = Guard.load(folder, model, transfer=True)
            begun = time.perf_counter()
            try:
                states = model.capture(texts, positions=POSITIONS).tensor
            except NonFiniteState as error:
                rows.append({"dtype": dtype, "refused": str(error).splitlines()[0]})
                continue
            seconds = time.perf_counter() - begun
            verdicts = guard.score(prompts)
            found = {
                "states": states,
                "harmfulness": torch.tensor([one.harmfulness for one in verdicts]),
                "probability": torch.tensor([one.probability for one in verdicts]),
                "flagged": [one.flagged for one in verdicts],
            }
            exact = exact or found
            apart = (states - exact["states"]).norm(dim=-1) / exact["states"].norm(dim=-1)
            rows.append(
                {
                    "dtype": dtype,
                    "seconds": seconds,
                    "state_median": float(apart[:, :, 1:].median()),
                    "state_worst": float(apart[:, :, 1:].max()),
                    "worst_slot": int(apart.amax(dim=(0, 1)).argmax()),
                    "belief_worst": float((found["harmfulness"] - exact["harmfulness"]).abs().max()),
                    "probability_worst": float((found["probability"] - exact["probability"]).abs().max()),
                    "verdicts_changed": sum(
                        one != other for one, other in zip(found["flagged"], exact["flagged"], strict=True)
                    ),
                }
            )
            del model, guard
    report = {
        "model": name,
        "prompts": len(prompts),
        "threads": given.threads,
        "rows": rows,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (Path(given.out) / "precision.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
