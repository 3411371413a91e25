"""What may be asked of a chat: OpenAI's request, as far as it is served; the rest is refused by name."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latentguard.lm import Conversation
from latentguard.serve.errors import ApiError
from latentguard.serve.policy import GuardOptions
from latentguard.serve.turns import Turns, conversation

_REFUSED = {
    "chat_template": "the template decides where a prompt is read",
    "chat_template_kwargs": "the template decides where a prompt is read",
    "prompt_token_ids": "a prompt of token ids has no positions that could be proved",
    "prompt": "a prompt is given as messages",
    "add_generation_prompt": "the generation prompt is always added: the guard reads it",
    "continue_final_message": "an answer that is begun for the model is not judged",
    "tools": "tools are not called here",
    "functions": "functions are not called here",
}
"""Arguments that are refused by name, and why."""


class StreamOptions(BaseModel):
    """What a stream brings beside the answer."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False


class ResponseFormat(BaseModel):
    """Text; no other format is made."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"] = "text"


class ChatRequest(BaseModel):
    """OpenAI's chat request, as far as it is served; everything else is refused by name."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: Turns
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=1 << 62)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: Literal[False] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    response_format: ResponseFormat | None = None
    user: str | None = Field(None, max_length=512)
    metadata: dict[str, str] | None = None
    guard: GuardOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _refused(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, why in _REFUSED.items():
                if given.get(name) not in (None, [], {}):
                    raise ValueError(f"{name} is refused: {why}")
            return {name: value for name, value in given.items() if name not in _REFUSED}
        return given

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings; an empty one stops nothing."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(one for one in given if one)

    def conversation(self) -> Conversation:
        """The messages as templates take them. Raises `ApiError` for images and for an answer begun."""
        last = self.messages[-1].role
        if last == "assistant":
            raise ApiError(
                400,
                "The last message is the assistant's: an answer that is begun for the model is not judged.",
                code="assistant_prefill",
                param="messages",
            )
        if last != "user":
            raise ApiError(
                400,
                f"The last message is of the role {last!r}: what follows the user's last turn is not judged.",
                code="last_turn_not_user",
                param="messages",
            )
        return conversation(self.messages, "messages")
