"""Is what is read of a model what moves it? Directions added, with the controls that make an effect one.

`certify` does the whole of it and returns a `Certificate`; `sweep` is the engine below: many edits of many
prompts, heard in the first token.
"""

from latentguard.causal.answers import Answers, FirstTokens, paper_answer
from latentguard.causal.arms import Arm, random_like, shuffled_like, without
from latentguard.causal.certificate import certify
from latentguard.causal.cost import Cost, cost
from latentguard.causal.experiment import Effort, experiment
from latentguard.causal.pair import Pair, classes, direction_pair, fit_pair
from latentguard.causal.plan import Beside, plan
from latentguard.causal.records import (
    Apart,
    Certificate,
    Competence,
    Controls,
    Curve,
    Effect,
    Experiment,
    PositionEffect,
    Price,
    Spoken,
    TaskName,
    Verdict,
)
from latentguard.causal.refusals import refusal_tokens
from latentguard.causal.sweep import Attempt, Outcomes, sweep
from latentguard.causal.task import Half, Task
from latentguard.causal.trial import Trial, default_trial

__all__ = [
    "Answers",
    "Apart",
    "Arm",
    "Attempt",
    "Beside",
    "Certificate",
    "Competence",
    "Controls",
    "Cost",
    "Curve",
    "Effect",
    "Effort",
    "Experiment",
    "FirstTokens",
    "Half",
    "Outcomes",
    "Pair",
    "PositionEffect",
    "Price",
    "Spoken",
    "Task",
    "TaskName",
    "Trial",
    "Verdict",
    "certify",
    "classes",
    "cost",
    "default_trial",
    "direction_pair",
    "experiment",
    "fit_pair",
    "paper_answer",
    "plan",
    "random_like",
    "refusal_tokens",
    "shuffled_like",
    "sweep",
    "without",
]
