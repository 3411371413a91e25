"""Messages to token ids and named positions, proved by structure (`chat_template.py` says how)."""

from latentguard.lm.chat.chat_template import ChatTemplate
from latentguard.lm.chat.messages import Conversation, Message, as_messages
from latentguard.lm.chat.rendered import Passage, Position, Rendered

__all__ = ["ChatTemplate", "Conversation", "Message", "Passage", "Position", "Rendered", "as_messages"]
