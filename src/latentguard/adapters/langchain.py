"""LangChain: the guard between an agent and its model, as middleware.

    create_agent(model, tools=[...], middleware=[GuardMiddleware(guard)])

Why this and not LiteLLM's `CustomGuardrail`: `wrap_model_call` is called alike in LangChain 1.0 and 1.5, and
is given one typed request as the model gets it, with its system prompt. LiteLLM's hook is given a dictionary
whose keys differ by the kind of call, its base class doubled in length from 1.83 to 1.110, and each minor
version has up to a dozen releases.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from latentguard.adapters.checked import Checked
from latentguard.adapters.needed import needed
from latentguard.adapters.source import Guarding, checker_of
from latentguard.adapters.turns import conversation
from latentguard.lm import Conversation

with needed("langchain"):
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.messages import AIMessage, convert_to_openai_messages

REFUSAL: Final = "I can't help with that."


class GuardMiddleware(AgentMiddleware[Any, Any, Any]):
    """Judges what an agent is about to send to its model. What is flagged gets a refusal, and ends the run.

    The last of several middleware stands nearest to the model, and so sees what the others made of a request.
    Judged is the conversation up to the user's last turn: what tools gave back since does not move the belief
    there, and is not judged itself. While an agent goes on from that turn, the verdict on it stands.
    """

    def __init__(self, guard: Guarding, *, api_key: str | None = None, refusal: str = REFUSAL) -> None:
        """`guard` and `api_key` as `checker_of` takes them; `refusal`: what a flagged request is answered."""
        super().__init__()
        self._checker = checker_of(guard, api_key=api_key)
        self._refusal = refusal
        self._last: tuple[Conversation, Checked] | None = None

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        """The model's answer, or the refusal; `finish_reason` is `content_filter` then."""
        found = self._check(request)
        return self._blocked(found) if found.flagged else handler(request)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any] | AIMessage:
        """The same; the guard works in a thread of its own."""
        found = await asyncio.to_thread(self._check, request)
        return self._blocked(found) if found.flagged else await handler(request)

    def _check(self, request: ModelRequest[Any]) -> Checked:
        asked, goes_on = _asked(request)
        last = self._last
        if goes_on and last is not None and last[0] == asked:
            return last[1]
        (found,) = self._checker.check([asked])
        self._last = asked, found
        return found

    def _blocked(self, found: Checked) -> AIMessage:
        # no beliefs: an answer's metadata may reach whoever asked, who could search by them
        read = {"flagged": True, "probability": found.probability, "unjudged": found.unjudged}
        told = {"finish_reason": "content_filter", "latentguard": read}
        return AIMessage(content=self._refusal, response_metadata=told)


def _asked(request: ModelRequest[Any]) -> tuple[Conversation, bool]:
    """The conversation up to the user's last turn, and whether more has been said since."""
    system = [] if request.system_message is None else [request.system_message]
    messages = convert_to_openai_messages([*system, *request.messages])
    users = [number for number, one in enumerate(messages) if one["role"] == "user"]
    end = users[-1] + 1 if users else len(messages)
    return conversation(messages[:end]), end < len(messages)
