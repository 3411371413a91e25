"""The Latent Guard: fit, calibrate, score, evaluate, save and load.

`Guard.fit` turns labelled prompts into a linear probe on a few slots; `Guard.score` reads it with one
forward pass a prompt; `Guard.evaluate` sets it beside its baselines.
"""

from latentguard.guard.answers import AnswerReader, FittedAnswers, TokenBeliefs
from latentguard.guard.artefact import read_manifest
from latentguard.guard.calibration import Calibration
from latentguard.guard.cells import Position
from latentguard.guard.evaluation import Evaluation, Measured, Row
from latentguard.guard.guard import Guard
from latentguard.guard.manifest import Manifest
from latentguard.guard.part import blocks_read, no_beginnings, require_depth
from latentguard.guard.passages import PassageVerdict
from latentguard.guard.probe import METHODS, Method
from latentguard.guard.verdict import Verdict, Verdicts
from latentguard.statistics import Estimate

__all__ = [
    "METHODS",
    "AnswerReader",
    "Calibration",
    "Estimate",
    "Evaluation",
    "FittedAnswers",
    "Guard",
    "Manifest",
    "Measured",
    "Method",
    "PassageVerdict",
    "Position",
    "Row",
    "TokenBeliefs",
    "Verdict",
    "Verdicts",
    "blocks_read",
    "no_beginnings",
    "read_manifest",
    "require_depth",
]
