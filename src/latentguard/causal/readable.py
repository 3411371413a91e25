"""Can the two beliefs be read at all? AUROC on prompts that no direction comes from."""

from collections.abc import Sequence

import numpy as np

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, belief
from latentguard.beliefs.directions import Kind
from latentguard.causal.pair import Pair
from latentguard.data import Prompt
from latentguard.lm import LanguageModel
from latentguard.statistics import Estimate, auroc


def readable(
    model: LanguageModel, pair: Pair, behaviour: Behaviour, *, progress: Progress = silent
) -> dict[Kind, Estimate]:
    """How well either belief, over all slots but 0, tells its own question on the prompts of `behaviour`.

    Harmfulness: harmful from harmless by label, read at t_inst. Refusal: refused from accepted, read at
    t_post_inst; left out where there is no refusal direction.
    """
    prompts: Sequence[Prompt] = behaviour.prompts
    states = model.capture(
        [prompt.messages for prompt in prompts], positions=("t_inst", "t_post_inst"), progress=progress
    )
    harmful = np.array([prompt.label == "harmful" for prompt in prompts])
    refused = np.array(behaviour.refused)
    asked: dict[Kind, tuple[int, np.ndarray]] = {"harmfulness": (0, harmful)}
    if pair.refusal is not None:
        asked["refusal"] = (1, refused)
    found: dict[Kind, Estimate] = {}
    for kind, (position, true) in asked.items():
        at = pair.states[:, position]
        scores = belief(
            states.tensor[:, position], at[pair.positive].mean(dim=0), at[~pair.positive].mean(dim=0)
        )
        found[kind] = auroc(scores.double().numpy(), true)
    return found
