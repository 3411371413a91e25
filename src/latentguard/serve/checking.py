"""From conversations to verdicts: rendered off the event loop, judged by the worker, given up in time."""

import asyncio
from collections.abc import Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from latentguard.errors import UNREADABLE, PositionNotProved, PromptTooLong
from latentguard.lm import Conversation, Rendered
from latentguard.serve.engine import Engine
from latentguard.serve.errors import CLIENT_LEFT, ApiError, too_late, too_many
from latentguard.serve.judged import By, Judged
from latentguard.serve.state import State
from latentguard.serve.work import Checks, Full

RENDERED_AT_ONCE = 32
"""Messages, or thousands of characters, that are rendered before another request has its turn."""
CHARACTERS_A_TOKEN = 16
"""More of a text than this for every token that may be read is refused before it is tokenised."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Unproved:
    """In the place of a verdict: why no position of this prompt could be proved, and nothing was read."""

    reason: str


async def check(
    state: State, request: Request, conversations: Sequence[Conversation], *, param: str
) -> list[Judged | Unproved]:
    """What the guard says of each. Raises `ApiError`: 400 by `param`, 429, 503, 504."""
    settings = state.settings
    if len(conversations) > settings.max_prompts:
        raise ApiError(
            400,
            f"{len(conversations):,} prompts in one request; at most {settings.max_prompts:,} are judged.",
            code="too_many_prompts",
            param=param,
        )
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            return await unless_gone(request, _checked(state, request, conversations, param))
    except TimeoutError:
        raise too_late(f"No verdict within {settings.request_timeout_s:g} s.") from None


async def _checked(
    state: State, request: Request, conversations: Sequence[Conversation], param: str
) -> list[Judged | Unproved]:
    engine, worker = state.running()
    characters = sum(map(_characters, conversations))
    try:
        with worker.room(state.rendering.tokens(characters, len(conversations))):
            rendered = await rendered_all(state, engine, conversations, param)
        proved = [one for one in rendered if isinstance(one, Rendered)]
        if not proved:
            return [one for one in rendered if isinstance(one, Unproved)]
        checks = Checks(proved, [engine.cost(one) for one in proved], asyncio.get_running_loop())
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else None
        state.rendering.learn(characters, sum(checks.tokens), size=size)
        worker.check(checks)
    except Full as full:
        raise too_many(full.after) from None
    try:
        verdicts = iter(await checks.done)
    finally:
        checks.done.cancel()
    out: list[Judged | Unproved] = []
    for one in rendered:
        found = one if isinstance(one, Unproved) else next(verdicts)
        if isinstance(found, Judged):
            state.metrics.verdict(found.verdict)
        out.append(found)
    return out


def judge_of(state: State, found: Sequence[Judged | Unproved]) -> By:
    """The guard that judged the last of these; the server's own where none was read."""
    judged = [one.by for one in found if isinstance(one, Judged)]
    return judged[-1] if judged else state.running()[0].by


async def rendered_all(
    state: State, engine: Engine, conversations: Sequence[Conversation], param: str
) -> list[Rendered | Unproved]:
    """Each as the model reads it. Raises `ApiError` 400 for one that cannot be read at all."""
    params = [param] if len(conversations) == 1 else [f"{param}.{n}" for n in range(len(conversations))]
    found: list[Rendered | Unproved] = []
    for part in _parts(conversations):
        found += await asyncio.get_running_loop().run_in_executor(
            state.rendering.thread, _rendered, state, engine, conversations[part], params[part]
        )
    return found


def _parts(conversations: Sequence[Conversation]) -> Generator[slice]:
    """What is rendered before another request has its turn."""
    first = cost = 0
    for number, one in enumerate(conversations):
        own = (1 if isinstance(one, str) else len(one)) + _characters(one) // 1024
        if number > first and cost + own > RENDERED_AT_ONCE:
            yield slice(first, number)
            first, cost = number, 0
        cost += own
    yield slice(first, len(conversations))


def _rendered(
    state: State, engine: Engine, conversations: Sequence[Conversation], params: Sequence[str]
) -> list[Rendered | Unproved]:
    pairs = zip(conversations, params, strict=True)
    return [_rendered_one(state, engine, conversation, param) for conversation, param in pairs]


def _rendered_one(
    state: State, engine: Engine, conversation: Conversation, param: str
) -> Rendered | Unproved:
    most = state.settings.max_prompt_tokens
    _check_size(state, conversation, param)
    try:
        found = engine.render(conversation)
    except PositionNotProved as error:
        state.metrics.unproved.inc()
        if state.settings.on_unproved == "refuse":
            raise ApiError(400, str(error), code="position_not_proved", param=param) from None
        return Unproved(str(error))
    except UNREADABLE as error:
        code = "context_length_exceeded" if isinstance(error, PromptTooLong) else "unreadable_prompt"
        raise ApiError(400, str(error), code=code, param=param) from None
    if len(found.ids) > most:
        raise ApiError(
            400,
            f"This prompt has {len(found.ids):,} tokens; at most {most:,} are read here.",
            code="context_length_exceeded",
            param=param,
        )
    return found


def _check_size(state: State, conversation: Conversation, param: str) -> None:
    """What is much too large is told so before anything is made of it. Raises `ApiError`."""
    most = CHARACTERS_A_TOKEN * state.settings.max_prompt_tokens
    turns = [conversation] if isinstance(conversation, str) else list(conversation)
    characters = _characters(conversation)
    if characters > most:
        raise ApiError(
            400,
            f"This prompt has {characters:,} characters; at most {most:,} are read here.",
            code="context_length_exceeded",
            param=param,
        )
    if len(turns) > state.settings.max_messages:
        raise ApiError(
            400,
            f"{len(turns):,} messages in one conversation; at most {state.settings.max_messages:,} are read.",
            code="too_many_messages",
            param=param,
        )


def _characters(conversation: Conversation) -> int:
    turns = [conversation] if isinstance(conversation, str) else conversation
    return sum(len(str(turn)) for turn in turns)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """`work`, which is cancelled when the client leaves. Raises `ApiError` then; nobody reads it."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(CLIENT_LEFT, "The client left.", code="client_left")
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await one


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
