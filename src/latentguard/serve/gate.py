"""What every request under /v1 passes before its body is read: is the server up, who asks, is there room."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from latentguard.serve.callers import Caller, caller_of
from latentguard.serve.errors import too_many
from latentguard.serve.state import State, state_of

_bearer = Security(HTTPBearer(auto_error=False, description="A key of the server's settings."))


async def entered(
    request: Request, state: Annotated[State, Depends(state_of)], _: Annotated[object, _bearer]
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
