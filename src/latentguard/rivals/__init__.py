"""The Latent Guard beside every other way to flag a prompt, on the same prompts and at the same price in
false alarms.

A rival is fitted on training prompts and scores others: the guard itself, a probe or a projection at the last
token, the first token's refusal probability, words, sentence embeddings, somebody's classifier, a moderation
endpoint. `contest` measures them side by side. `Guard.evaluate` answers another question: is this guard more
than its own controls?
"""

from latentguard.rivals.classifier import Classifier
from latentguard.rivals.contest import RATES, contest, plan
from latentguard.rivals.embeddings import Embeddings
from latentguard.rivals.endpoint import Endpoint
from latentguard.rivals.first_token import FirstToken
from latentguard.rivals.latent import Latent
from latentguard.rivals.records import Contest, SetRow, Standing
from latentguard.rivals.refusal_direction import RefusalDirection
from latentguard.rivals.rival import Rival, Scorer
from latentguard.rivals.words import Words

__all__ = [
    "RATES",
    "Classifier",
    "Contest",
    "Embeddings",
    "Endpoint",
    "FirstToken",
    "Latent",
    "RefusalDirection",
    "Rival",
    "Scorer",
    "SetRow",
    "Standing",
    "Words",
    "contest",
    "plan",
]
