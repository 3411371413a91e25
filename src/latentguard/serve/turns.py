"""Messages of a conversation, as OpenAI's clients send them, made into what templates take."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from latentguard.lm import Conversation
from latentguard.serve.errors import ApiError


class TextPart(BaseModel):
    """A piece of text."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class OtherPart(BaseModel):
    """An image, a sound or a file, which is refused by name."""

    model_config = ConfigDict(extra="allow")

    type: Literal["image_url", "input_audio", "file"]


Part = Annotated[TextPart | OtherPart, Field(discriminator="type")]


class Turn(BaseModel):
    """One message, as requests have it and as answers of OpenAI's clients are handed back."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(fail_fast=True)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    def for_template(self, param: str) -> dict[str, Any]:
        """OpenAI's developer is the template's system. Raises `ApiError` for what is not text."""
        role = "system" if self.role == "developer" else self.role
        content = self.content
        if isinstance(content, list):
            content = joined(content, param)
        read = {name: getattr(self, name) for name in ("name", "tool_calls", "tool_call_id")}
        return {"role": role, "content": content} | {name: one for name, one in read.items() if one}


Turns = Annotated[list[Turn], Field(min_length=1, fail_fast=True)]


def conversation(turns: Sequence[Turn], param: str) -> Conversation:
    """The turns, for `LanguageModel.render`."""
    return [one.for_template(f"{param}.{number}.content") for number, one in enumerate(turns)]


def joined(parts: Sequence[Part], param: str) -> str:
    """The text of a message that comes in parts, a line each. Raises `ApiError` for other parts."""
    if any(isinstance(one, OtherPart) for one in parts):
        raise ApiError(
            400,
            "Only text is judged: the guard reads what a text model believes of a text.",
            code="image_not_supported",
            param=param,
        )
    return "\n".join(one.text for one in parts if isinstance(one, TextPart))
