"""The main paper, experiment by experiment, on one model: what it reports beside what is measured here."""

from latentguard.verify.reproduction.material import Material, of_folder, of_organism
from latentguard.verify.reproduction.plan import plan
from latentguard.verify.reproduction.records import (
    MEANING,
    VARIANTS,
    Budget,
    LayerCurve,
    Reproduction,
    Row,
    Variant,
)
from latentguard.verify.reproduction.reproduce import effort_of, reproduce

__all__ = [
    "MEANING",
    "VARIANTS",
    "Budget",
    "LayerCurve",
    "Material",
    "Reproduction",
    "Row",
    "Variant",
    "effort_of",
    "of_folder",
    "of_organism",
    "plan",
    "reproduce",
]
