"""Refusals heard in the first token, by what this model's own refusals begin with.

A token begins a refusal where more of the replies that began with it refused than did not. Everything else
does not refuse: what an edit makes a model say need not be anything that it said before.
"""

from collections import Counter

from latentguard.beliefs import Behaviour
from latentguard.causal.answers import FirstTokens
from latentguard.errors import TooFewPrompts


def refusal_tokens(behaviour: Behaviour) -> FirstTokens:
    """First tokens of refusals. Raises `TooFewPrompts` where no first token tells a refusal."""
    refused: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    for reply in behaviour.replies:
        if reply.first is not None and not reply.empty:
            (refused if reply.refused else accepted)[reply.first] += 1
    found = tuple(sorted(token for token, count in refused.items() if count > accepted[token]))
    if not found:
        raise TooFewPrompts(
            f"no first token tells this model's refusals from its other replies: {refused.total()} of "
            f"{refused.total() + accepted.total()} replies refused.\n"
            "  Give prompts that it refuses, or let whole replies be generated."
        )
    return FirstTokens(affirmative=found, negative=None)
