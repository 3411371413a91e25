"""POST /v1/chat/completions: answers of the guard's own model, guarded by their own prefill."""

import asyncio
import secrets
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from latentguard.lm import Rendered, Sampling
from latentguard.serve.body import read_as
from latentguard.serve.callers import Caller
from latentguard.serve.checking import Unproved, rendered_all, unless_gone
from latentguard.serve.documented import ERRORS, documented
from latentguard.serve.engine import Engine
from latentguard.serve.errors import ApiError, too_late, too_many
from latentguard.serve.gate import entered
from latentguard.serve.policy import decided
from latentguard.serve.routes.chat.answer import ChatResponse, Completion, next_event, streamed, whole
from latentguard.serve.routes.chat.request import ChatRequest
from latentguard.serve.routes.moderations import known, versioned
from latentguard.serve.state import State, state_of
from latentguard.serve.work import Chat, Full, PromptJudged

router = APIRouter()
LONGEST_ID = 20
"""Digits of a token's number."""
_EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` as server-sent events, a chunk each, then [DONE].",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


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
    try:
        worker.require_place()
    except Full as full:
        raise too_many(full.after) from None
    late = too_late(f"No answer was begun within {state.settings.request_timeout_s:g} s.")
    due = asyncio.get_running_loop().time() + state.settings.request_timeout_s
    try:
        async with asyncio.timeout_at(due):
            (prompt,) = await unless_gone(request, rendered_all(state, engine, [messages], "messages"))
    except TimeoutError:
        raise late from None
    if state.settings.log_prompts:
        state.log("chat", caller=caller.name, messages=messages)
    if isinstance(prompt, Unproved):
        raise ApiError(400, prompt.reason, code="position_not_proved", param="messages")
    chat = Chat(
        prompt=prompt,
        tokens=engine.cost(prompt),
        limit=_limit(state, engine, asked, prompt),
        sampling=Sampling(
            1.0 if asked.temperature is None else asked.temperature,
            1.0 if asked.top_p is None else asked.top_p,
            secrets.randbits(48) if asked.seed is None else asked.seed,
        ),
        stop=asked.stops,
        blocks=policy.blocks(),
        cuts=policy.cuts,
        shows=caller.may("internals"),
        loop=asyncio.get_running_loop(),
    )
    try:
        worker.chat(chat)
    except Full as full:
        raise too_many(full.after) from None
    made = Completion(state, caller, policy, name, chat, f"chatcmpl-{uuid.uuid4().hex}", int(time.time()))
    try:
        async with asyncio.timeout_at(due):
            first = await unless_gone(request, next_event(chat))
        if not isinstance(first, PromptJudged):
            raise RuntimeError("an answer began before its prompt was judged")
        judged = first.judged
        state.metrics.verdict(judged.verdict)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(
                streamed(made, judged, usage=usage),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-store"} | versioned(caller, judged.by),
            )
        answer = await unless_gone(request, whole(made, judged))
        chat.cancelled = True  # it is over: its place is free
        return JSONResponse(answer, headers=versioned(caller, judged.by))
    except TimeoutError:
        chat.cancelled = True
        raise late from None
    except BaseException:
        chat.cancelled = True
        raise


def _check_bias(engine: Engine, asked: ChatRequest) -> None:
    """A bias would let a client write the template's control tokens, or keep a refusal from being said."""
    if not asked.logit_bias:
        return
    control = engine.guard.model.chat.control_ids
    numbers = (token for token in asked.logit_bias if token.isdecimal() and len(token) <= LONGEST_ID)
    named = sorted(token for token in numbers if int(token) in control)
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
