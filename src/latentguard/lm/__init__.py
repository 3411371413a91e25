"""The language model under study: the only room that touches torch modules and hooks.

It knows nothing of harm or refusal. `load` proves a model part by part; `LanguageModel` renders prompts to
proved positions, captures hidden states, edits them and generates.
"""

from latentguard.lm.chat import ChatTemplate, Conversation, Message, Passage, Rendered, as_messages
from latentguard.lm.chat.rendered import Position
from latentguard.lm.edits.direction import AddDirection, ProjectOut
from latentguard.lm.edits.heads import Head, ReplaceHeads, ScaleHeads
from latentguard.lm.edits.in_force import Edit
from latentguard.lm.edits.scope import Scope
from latentguard.lm.fingerprint import Identity
from latentguard.lm.followed import EndsRows, Followed
from latentguard.lm.load import load
from latentguard.lm.model import LanguageModel
from latentguard.lm.partial import PartialModel
from latentguard.lm.proof.at_load import Proof
from latentguard.lm.proof.checks import Check
from latentguard.lm.proof.record import ProofRecord
from latentguard.lm.replies.reply import Generation, Sampling
from latentguard.lm.replies.stepwise import Replying
from latentguard.lm.replies.watching import LastTokens, Watcher
from latentguard.lm.spread import Devices
from latentguard.lm.states import HeadAttributions, HeadStates, States

__all__ = [
    "AddDirection",
    "ChatTemplate",
    "Check",
    "Conversation",
    "Devices",
    "Edit",
    "EndsRows",
    "Followed",
    "Generation",
    "Head",
    "HeadAttributions",
    "HeadStates",
    "Identity",
    "LanguageModel",
    "LastTokens",
    "Message",
    "PartialModel",
    "Passage",
    "Position",
    "ProjectOut",
    "Proof",
    "ProofRecord",
    "Rendered",
    "ReplaceHeads",
    "Replying",
    "Sampling",
    "ScaleHeads",
    "Scope",
    "States",
    "Watcher",
    "as_messages",
    "load",
]
