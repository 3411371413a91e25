"""`verify_organism`: every claim about the bundled organism, planted against measured."""

from latentguard._progress import Progress, silent
from latentguard.lm import LanguageModel
from latentguard.organism import training_prompts
from latentguard.verify.angle import angle_line
from latentguard.verify.bag_of_words import task_lines
from latentguard.verify.belief_lines import behaviour_lines, harmfulness_lines, refusal_lines
from latentguard.verify.classes import CLASSES, INVERSIONS, drawn
from latentguard.verify.fitted import fitted
from latentguard.verify.line import Line
from latentguard.verify.scored import scored
from latentguard.verify.steering_lines import steering_lines
from latentguard.verify.untrained import untrained_line

_TRAINING_PROMPTS = 8000


def verify_organism(model: LanguageModel, *, seed: int = 0, progress: Progress = silent) -> list[Line]:
    """Measure every bound on prompts from held-out pairs, 200 a class; about a minute on two cores.

    Centroids come from one part of those pairs, slots, block and scale from another, numbers from a third.
    A model that has nothing of what is planted, such as one that never refuses, is no error: the lines that
    cannot be measured are misses, and their notes say why.
    """
    every = drawn((*CLASSES, *INVERSIONS), seed=seed)
    classes, (asked_harmful, asked_harmless) = every[: len(CLASSES)], every[len(CLASSES) :]
    harmful, harmless = classes[:2]
    lines = list(task_lines(training_prompts(_TRAINING_PROMPTS, seed=seed), [*harmful.test, *harmless.test]))
    fit = fitted(model, harmful, harmless, progress=progress)
    lines.append(untrained_line(model, harmful, harmless, progress=progress))
    validation = scored(model, fit.reading, classes, "validation", progress=progress)
    test = scored(model, fit.reading, classes, "test", progress=progress)
    lines.extend(behaviour_lines(test))
    lines.extend(harmfulness_lines(validation, test, on_labels=fit.reading.basis == "labels"))
    lines.extend(refusal_lines(validation, test, unavailable=fit.reading.unavailable))
    lines.append(angle_line(model, fit, seed=seed, progress=progress))
    inversions = (asked_harmful, asked_harmless)
    lines.extend(steering_lines(model, fit.reading, inversions, harmless, seed=seed, progress=progress))
    return lines
