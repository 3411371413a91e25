"""`verify_organism`: every claim about the bundled organism, planted against measured."""

from latentguard._progress import Progress, silent
from latentguard.lm import LanguageModel
from latentguard.organism import training_prompts
from latentguard.verify.bag_of_words import task_lines
from latentguard.verify.belief_lines import angle_line, behaviour_lines, harmfulness_lines, refusal_lines
from latentguard.verify.classes import CLASSES, INVERSIONS, drawn
from latentguard.verify.line import Line
from latentguard.verify.scored import fitted, scored
from latentguard.verify.steering_lines import steering_lines
from latentguard.verify.untrained import untrained_line

_TRAINING_PROMPTS = 8000


def verify_organism(model: LanguageModel, *, seed: int = 0, progress: Progress = silent) -> list[Line]:
    """Measure every bound on prompts from held-out pairs, 200 a class; about a minute on two cores.

    Centroids come from one part of those pairs, slots, block and scale from another, numbers from a third.
    Raises `TooFewPrompts` where the model never refuses or always does: then there is nothing to verify.
    """
    every = drawn((*CLASSES, *INVERSIONS), seed=seed)
    classes, (asked_harmful, asked_harmless) = every[: len(CLASSES)], every[len(CLASSES) :]
    harmful, harmless = classes[:2]
    lines = list(task_lines(training_prompts(_TRAINING_PROMPTS, seed=seed), [*harmful.test, *harmless.test]))
    reading = fitted(model, harmful, harmless, progress=progress)
    lines.append(untrained_line(model, harmful, harmless, progress=progress))
    validation = scored(model, reading, classes, "validation", progress=progress)
    test = scored(model, reading, classes, "test", progress=progress)
    lines.extend(behaviour_lines(test))
    lines.extend(harmfulness_lines(validation, test))
    lines.extend(refusal_lines(validation, test))
    lines.append(angle_line(reading))
    inversions = (asked_harmful, asked_harmless)
    lines.extend(steering_lines(model, reading, inversions, harmless, seed=seed, progress=progress))
    return lines
