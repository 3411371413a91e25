"""What a chat is answered with: one completion, or its pieces as server-sent events."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from latentguard.guard import TokenBeliefs
from latentguard.serve.callers import Caller
from latentguard.serve.errors import ApiError
from latentguard.serve.judged import Judged
from latentguard.serve.policy import Decided
from latentguard.serve.routes.moderations import read
from latentguard.serve.state import State
from latentguard.serve.work import Chat, Piece, PromptJudged


class ChatMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer, and why it ended: content_filter where the guard let the model say no more."""

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
    action: Literal["blocked", "cut", "answered"]
    answer_flagged: bool | None = None
    """Whether the answer was over the threshold; absent where the guard has none for answers."""
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


@dataclass(slots=True, eq=False)
class Completion:
    """One answer on its way: what its request asked for, and where its pieces come from."""

    state: State
    caller: Caller
    decided: Decided
    name: str
    chat: Chat
    identifier: str
    created: int
    _read: list[TokenBeliefs] = field(default_factory=list[TokenBeliefs])
    """Beliefs at the tokens of the answer that have not been shown yet."""
    _tokens_shown: int = 0

    def note(self, judged: Judged) -> dict[str, Any] | None:
        """What is said of the guard before the answer; nothing under `allow`."""
        verdict, internals = judged.verdict, self.caller.may("internals")
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
            made["internals"] = read(self.state, judged) | {"over_refusal": over}
        return made

    def note_after(self, last: Piece) -> dict[str, Any]:
        """What is said of the guard when the answer is over, beside what was said before it."""
        made: dict[str, Any] = {"action": "cut"} if last.finish == "cut" else {}
        if last.over is not None and self.decided.policy != "allow":
            made["answer_flagged"] = last.over
        return made

    def keep(self, piece: Piece) -> None:
        """Remember what was read of this piece, and count how the answer ended."""
        if piece.beliefs is not None and self.caller.may("internals"):
            self._read.append(piece.beliefs)
        if piece.finish is not None and piece.finish != "blocked":
            outcome = "cut" if piece.finish == "cut" else "over" if piece.over else "whole"
            self.state.metrics.answers.labels(outcome).inc()

    def shown(self) -> list[dict[str, Any]]:
        """The beliefs at the tokens that have come since this was last asked; none without the scope."""
        first = self._tokens_shown + 1
        read, self._read = self._read, []
        self._tokens_shown += len(read)
        return [
            {"token": number, "harmfulness": one.harmfulness, "refusal": one.refusal}
            for number, one in enumerate(read, start=first)
        ]

    def usage(self, tokens: int) -> dict[str, int]:
        """Tokens of the prompt and of the answer."""
        asked = len(self.chat.prompt.ids)
        return {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}


_FINISH_REASONS = {"stop": "stop", "length": "length", "blocked": "content_filter", "cut": "content_filter"}


async def next_event(chat: Chat) -> PromptJudged | Piece:
    """What the worker says next. Raises what broke the answer."""
    event = await chat.events.get()
    if isinstance(event, BaseException):
        raise event
    return event


async def _pieces(made: Completion) -> AsyncGenerator[Piece]:
    while True:
        piece = await next_event(made.chat)
        if isinstance(piece, Piece):
            made.keep(piece)
            yield piece
            if piece.finish is not None:
                return


async def whole(made: Completion, judged: Judged) -> dict[str, Any]:
    """The completion. Of an answer that was cut nothing is shown: it has not been seen by anybody yet."""
    texts: list[str] = []
    last = Piece()
    async for last in _pieces(made):
        texts.append(last.text)
    reason = _FINISH_REASONS[last.finish or "stop"]
    text = made.state.settings.refusal_text if reason == "content_filter" else "".join(texts)
    note = made.note(judged)
    if note is not None:
        note |= made.note_after(last)
        if read_of_answer := made.shown():
            note["internals"]["answer"] = read_of_answer
    return {
        "id": made.identifier,
        "object": "chat.completion",
        "created": made.created,
        "model": made.name,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": reason,
            }
        ],
        "usage": made.usage(last.tokens),
        "guard": note,
    }


async def streamed(made: Completion, judged: Judged, *, usage: bool) -> AsyncGenerator[bytes]:
    """Server-sent events; an error that comes after the first of them is an event, too."""
    try:
        yield _event(made, {"role": "assistant", "content": ""}, guard=made.note(judged))
        last = Piece()
        async for last in _pieces(made):
            text = made.state.settings.refusal_text if last.finish == "blocked" else last.text
            if text:
                yield _event(made, {"content": text}, **_read_so_far(made))
        after = made.note_after(last) | _read_so_far(made).get("guard", {})
        yield _event(made, {}, _FINISH_REASONS[last.finish or "stop"], **({"guard": after} if after else {}))
        if usage:
            yield _event(made, None, usage=made.usage(last.tokens))
        yield b"data: [DONE]\n\n"
    except Exception as error:
        made.state.log("chat_failed", error=repr(error))
        yield b"data: " + json.dumps(ApiError(500, "The answer broke off.").body).encode() + b"\n\n"
    finally:
        made.chat.cancelled = True


def _read_so_far(made: Completion) -> dict[str, Any]:
    read_of_answer = made.shown()
    return {"guard": {"internals": {"answer": read_of_answer}}} if read_of_answer else {}


def _event(made: Completion, delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
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
