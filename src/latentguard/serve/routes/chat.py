"""POST /v1/chat/completions: answers of the guard's own model, guarded by their own prefill."""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from latentguard.guard import Verdict
from latentguard.lm import Conversation, Rendered, Sampling
from latentguard.serve.body import read_as
from latentguard.serve.callers import Caller
from latentguard.serve.checking import Unproved, rendered_all, unless_gone
from latentguard.serve.documented import ERRORS, documented
from latentguard.serve.engine import Engine
from latentguard.serve.errors import ApiError, too_many
from latentguard.serve.gate import entered
from latentguard.serve.policy import Decided, GuardOptions, decided
from latentguard.serve.routes.moderations import known, read
from latentguard.serve.state import State, state_of
from latentguard.serve.turns import Turns, conversation
from latentguard.serve.work import Answer, Chat, Full, Piece

router = APIRouter()
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

_EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` as server-sent events, a chunk each, then [DONE].",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


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
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=1 << 62)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] = 1
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


class ChatMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer, and why it ended: content_filter where the guard let the model say nothing."""

    index: Literal[0]
    message: ChatMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length", "content_filter"]


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class GuardNote(BaseModel):
    """What the guard did; `internals` for callers with that scope."""

    policy: Literal["block", "annotate", "allow"]
    flagged: bool
    action: Literal["blocked", "answered"]
    internals: dict[str, Any] | None = None


class ChatResponse(BaseModel):
    """OpenAI's chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    guard: GuardNote | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """One answer on its way: what its request asked for, and where its pieces come from."""

    state: State
    caller: Caller
    decided: Decided
    name: str
    chat: Chat
    identifier: str
    created: int

    def note(self, verdict: Verdict) -> dict[str, Any] | None:
        """What is said of the guard; nothing under `allow`."""
        internals = self.caller.may("internals")
        if self.decided.policy == "allow" and not internals:
            return None
        flagged = self.decided.flags(verdict)
        made: dict[str, Any] = {
            "policy": self.decided.policy,
            "flagged": flagged,
            "action": "blocked" if self.chat.blocks(verdict) else "answered",
        }
        if internals:
            over = verdict.cell == "refused_harmless" and not flagged
            made["internals"] = read(self.state, verdict) | {"over_refusal": over}
        return made

    def usage(self, tokens: int) -> dict[str, int]:
        """Tokens of the prompt and of the answer."""
        asked = len(self.chat.prompt.ids)
        return {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}


@router.post(
    "/v1/chat/completions",
    responses=ERRORS | _STREAMED,
    response_model=ChatResponse,
    openapi_extra=documented(ChatRequest),
)
async def chat_completions(
    request: Request, state: Annotated[State, Depends(state_of)], caller: Annotated[Caller, Depends(entered)]
) -> Response:
    """An answer of the model, if the guard, which reads the prefill of that very answer, lets it through."""
    asked = await read_as(request, ChatRequest, state.settings)
    engine, worker = state.running()
    name = known(state, asked.model)
    policy = decided(state.settings, engine.guard, caller, asked.guard)
    _check_bias(engine, asked)
    messages = asked.conversation()
    (prompt,) = await rendered_all(state, engine, [messages], "messages")
    if state.settings.log_prompts:
        state.log("chat", caller=caller.name, messages=messages)
    if isinstance(prompt, Unproved):
        raise ApiError(400, prompt.reason, code="position_not_proved", param="messages")
    chat = Chat(
        prompt=prompt,
        tokens=engine.cost(prompt),
        limit=_limit(state, engine, asked, prompt),
        sampling=Sampling(
            asked.temperature, asked.top_p, secrets.randbits(48) if asked.seed is None else asked.seed
        ),
        stop=asked.stops,
        blocks=policy.blocks(),
        loop=asyncio.get_running_loop(),
    )
    try:
        worker.chat(chat)
    except Full as full:
        raise too_many(full.after) from None
    made = _Made(state, caller, policy, name, chat, f"chatcmpl-{uuid.uuid4().hex}", int(time.time()))
    try:
        async with asyncio.timeout(state.settings.request_timeout_s):
            first = await unless_gone(request, _next(chat))
        if not isinstance(first, Answer):
            raise RuntimeError("an answer began before its prompt was judged")
        state.metrics.verdict(first.verdict)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(
                _streamed(made, first.verdict, usage=usage),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-store", "X-Guard-Version": engine.version},
            )
        answer = await unless_gone(request, _whole(made, first.verdict))
        chat.cancelled = True  # it is over: its place is free
        return JSONResponse(answer, headers={"X-Guard-Version": engine.version})
    except TimeoutError:
        chat.cancelled = True
        late = f"No answer was begun within {state.settings.request_timeout_s:g} s."
        raise ApiError(503, late, code="timeout", headers={"Retry-After": "1"}) from None
    except BaseException:
        chat.cancelled = True
        raise


def _check_bias(engine: Engine, asked: ChatRequest) -> None:
    """A bias would let a client write the template's control tokens, or keep a refusal from being said."""
    if not asked.logit_bias:
        return
    control = engine.guard.model.chat.control_ids
    named = sorted(token for token in asked.logit_bias if token.isdecimal() and int(token) in control)
    raise ApiError(
        400,
        f"logit_bias names control tokens of the template ({', '.join(named[:5])})."
        if named
        else "logit_bias is not supported.",
        code="control_token_bias" if named else "unsupported_parameter",
        param="logit_bias",
    )


def _limit(state: State, engine: Engine, asked: ChatRequest, prompt: Rendered) -> int:
    """Tokens of the answer: what is asked for, what is allowed, and what the context leaves."""
    wanted = asked.max_completion_tokens or asked.max_tokens or state.settings.max_new_tokens
    context = engine.guard.model.chat.max_tokens
    room = wanted if context is None else context - len(prompt.ids)
    if room < 1:
        raise ApiError(
            400, "The prompt fills the model's context.", code="context_length_exceeded", param="messages"
        )
    return min(wanted, state.settings.max_new_tokens, room)


async def _next(chat: Chat) -> Answer | Piece:
    event = await chat.events.get()
    if isinstance(event, BaseException):
        raise event
    return event


async def _pieces(chat: Chat) -> AsyncGenerator[Piece]:
    while True:
        piece = await _next(chat)
        if isinstance(piece, Piece):
            yield piece
            if piece.finish is not None:
                return


async def _whole(made: _Made, verdict: Verdict) -> dict[str, Any]:
    texts: list[str] = []
    last = Piece()
    async for last in _pieces(made.chat):
        texts.append(last.text)
    blocked = last.finish == "content_filter"
    message = {
        "role": "assistant",
        "content": made.state.settings.refusal_text if blocked else "".join(texts),
        "refusal": None,
    }
    return {
        "id": made.identifier,
        "object": "chat.completion",
        "created": made.created,
        "model": made.name,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish}],
        "usage": made.usage(0 if blocked else last.tokens),
        "guard": made.note(verdict),
    }


async def _streamed(made: _Made, verdict: Verdict, *, usage: bool) -> AsyncGenerator[bytes]:
    """Server-sent events; an error that comes after the first of them is an event, too."""

    def event(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
        choices = (
            [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        )
        fields = {
            "id": made.identifier,
            "object": "chat.completion.chunk",
            "created": made.created,
            "model": made.name,
            "choices": choices,
        }
        return b"data: " + json.dumps(fields | more).encode() + b"\n\n"

    try:
        yield event({"role": "assistant", "content": ""}, guard=made.note(verdict))
        last = Piece()
        async for last in _pieces(made.chat):
            blocked = last.finish == "content_filter"
            text = made.state.settings.refusal_text if blocked else last.text
            if text:
                yield event({"content": text})
        yield event({}, last.finish)
        if usage:
            blocked = last.finish == "content_filter"
            yield event(None, usage=made.usage(0 if blocked else last.tokens))
        yield b"data: [DONE]\n\n"
    except Exception as error:
        made.state.log("chat_failed", error=repr(error))
        yield b"data: " + json.dumps(ApiError(500, "The answer broke off.").body).encode() + b"\n\n"
    finally:
        made.chat.cancelled = True
