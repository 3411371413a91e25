"""Guards on the Hugging Face hub: what of one is published, its card, and the way there and back.

    publication   what leaves this machine, and what stays
    card          README.md: what the guard is, what it cannot do, what publishing it costs
    push, pull    one commit with all files; two files, read and verified

Nothing else of a repository is ever read, and no code of it runs.
"""

from latentguard.guard.hub.card import card
from latentguard.guard.hub.publication import (
    Publication,
    publication,
    without_name,
    without_prompts,
    without_refusal,
)
from latentguard.guard.hub.pull import Pulled, pull
from latentguard.guard.hub.push import Pushed, push
from latentguard.guard.hub.repository import check_name

__all__ = [
    "Publication",
    "Pulled",
    "Pushed",
    "card",
    "check_name",
    "publication",
    "pull",
    "push",
    "without_name",
    "without_prompts",
    "without_refusal",
]
