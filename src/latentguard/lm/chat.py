"""Messages to token ids and named positions, proved by structure."""

from latentguard.lm._messages import Conversation, Message, as_messages
from latentguard.lm._rendered import Rendered

__all__ = ["Conversation", "Message", "Rendered", "as_messages"]
