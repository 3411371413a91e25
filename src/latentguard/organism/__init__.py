"""The embedded model: a small chat model with planted, known behaviour. It measures nothing.

    words, world, wording, ordinary, grammar    what can be asked, what is true of it, how it is said
    prompts                                     the same as records for the other rooms
    tokenizer, encoding                         text to tokens, and where things are planted in them
    architecture, interchange, curriculum       the network, the planting, the order of lessons
    batches, losses, separation, step           what one step of training scores
    accuracy, training                          the run and its gauge
    planted, kinship                            the truth about the shipped weights; is a model one of them
    fine_tuning                                 an attack that makes it accept what it refused

Because what is planted is known, it is the truth that every method of this package must recover. It tells
whether the instrument is right, and nothing about real models. Its compliance is empty filler.
"""

from latentguard.organism.fine_tuning import Attack, attack
from latentguard.organism.grammar import decision
from latentguard.organism.planted import Planted, PlantedCircuit, path, planted_circuit
from latentguard.organism.prompts import (
    PROMPT_KINDS,
    PromptKind,
    audit_data,
    inversion_context,
    sample_prompts,
    training_prompts,
)
from latentguard.organism.training import STEPS, train

__all__ = [
    "PROMPT_KINDS",
    "STEPS",
    "Attack",
    "Planted",
    "PlantedCircuit",
    "PromptKind",
    "attack",
    "audit_data",
    "decision",
    "inversion_context",
    "path",
    "planted_circuit",
    "sample_prompts",
    "train",
    "training_prompts",
]
