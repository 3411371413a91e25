"""The language model under study: the only room that touches torch modules and hooks.

It knows nothing of harm or refusal. `load` proves a model part by part; `LanguageModel` renders prompts to
proved positions, captures hidden states, edits them and generates.
"""

from latentguard.lm.capture import States
from latentguard.lm.chat import ChatTemplate, Conversation, Message, Rendered, as_messages
from latentguard.lm.checks import Check
from latentguard.lm.edit import AddDirection, Edit, ProjectOut, Scope
from latentguard.lm.fingerprint import Identity
from latentguard.lm.generate import Generation
from latentguard.lm.load import load
from latentguard.lm.model import LanguageModel
from latentguard.lm.proof import Proof

__all__ = [
    "AddDirection",
    "ChatTemplate",
    "Check",
    "Conversation",
    "Edit",
    "Generation",
    "Identity",
    "LanguageModel",
    "Message",
    "ProjectOut",
    "Proof",
    "Rendered",
    "Scope",
    "States",
    "as_messages",
    "load",
]
