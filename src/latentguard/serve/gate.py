"""What every request under /v1 passes before its body is read: is the server up, who asks, is there room."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from latentguard.serve.callers import Caller, caller_of
from latentguard.serve.errors import ApiError, too_many
from latentguard.serve.state import State, state_of
from latentguard.serve.work import Full

BEARER = Security(HTTPBearer(auto_error=False, description="A key of the server's settings."))


async def entered(
    request: Request, state: Annotated[State, Depends(state_of)], _: Annotated[object, BEARER]
) -> AsyncGenerator[Caller]:
    """The caller, while its request is one of those that are served. Raises `ApiError` 401, 429, 503."""
    caller = caller_of(request, state.settings)
    state.require_ready()
    if state.requests >= state.settings.max_requests:
        raise too_many(1.0)
    state.requests += 1
    try:
        yield caller
    finally:
        state.requests -= 1


class Door:
    """Refuses checks for which there is no room before they are routed and their bodies are read: under
    overload most requests end here, and whatever a refusal costs is taken from the model's thread.

    How many tokens a body has is guessed by its length; what passes is measured once it is rendered.
    """

    def __init__(self, app: ASGIApp, state: State, checks: dict[str, object]) -> None:
        """`checks`: the routes whose requests wait for the worker, by path."""
        self._app, self._state, self._checks = app, state, checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._checks:
            try:
                self._require_room(Request(scope))
            except Full as full:
                scope["route"] = self._checks[scope["path"]]
                await too_many(full.after).response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _require_room(self, request: Request) -> None:
        """Raises `Full`, to callers that are known."""
        state, announced = self._state, request.headers.get("content-length", "")
        if state.phase != "ready" or state.worker is None or not announced.isdecimal():
            return
        with suppress(ApiError):  # who it is and what it may do is answered inside
            caller_of(request, state.settings)
            state.worker.require_room(state.rendering.tokens_of_body(int(announced)))
