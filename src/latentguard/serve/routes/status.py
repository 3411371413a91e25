"""What a machine asks of a machine: is it alive, may it be sent requests, what has it counted, what is it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from latentguard.serve.callers import Caller, caller_of
from latentguard.serve.documented import ERRORS
from latentguard.serve.errors import ApiError
from latentguard.serve.gate import BEARER
from latentguard.serve.metrics import CONTENT_TYPE
from latentguard.serve.routes.moderations import known, names
from latentguard.serve.state import State, state_of

router = APIRouter()
_AUTHORISED: dict[int | str, dict[str, Any]] = {
    status: ERRORS[status] for status in (401, 403, 404, 500, 503)
}


class ModelCard(BaseModel):
    """One name that this server answers under."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"]
    data: list[ModelCard]


class Health(BaseModel):
    """How far the server is."""

    status: Literal["ok", "starting", "ready", "draining"]


async def named(
    request: Request, state: Annotated[State, Depends(state_of)], _: Annotated[object, BEARER]
) -> Caller:
    """The caller, of routes that ask nothing of the worker."""
    return caller_of(request, state.settings)


@router.get("/v1/models", responses=_AUTHORISED, response_model=ModelList)
async def models(
    state: Annotated[State, Depends(state_of)], _: Annotated[Caller, Depends(named)]
) -> dict[str, Any]:
    """The model whose beliefs are read, and the names of others under which it answers."""
    state.require_ready()
    return {"object": "list", "data": [_card(name) for name in names(state)]}


@router.get("/v1/models/{name:path}", responses=_AUTHORISED, response_model=ModelCard)
async def model(
    name: str, state: Annotated[State, Depends(state_of)], _: Annotated[Caller, Depends(named)]
) -> dict[str, Any]:
    """One of them, by its name."""
    state.require_ready()
    return _card(known(state, name))


@router.get("/healthz", response_model=Health)
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    response_model=Health,
    responses={503: {"model": Health, "description": "Starting or draining: send requests elsewhere."}},
)
async def readyz(state: Annotated[State, Depends(state_of)]) -> JSONResponse:
    """Requests are served."""
    ready = state.phase == "ready" and state.worker is not None and state.worker.alive
    return JSONResponse({"status": state.phase}, status_code=200 if ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        401: ERRORS[401],
        403: ERRORS[403],
    },
)
async def metrics(
    request: Request, state: Annotated[State, Depends(state_of)], _: Annotated[object, BEARER]
) -> Response:
    """Counters for Prometheus, which sends a bearer token; what they say of beliefs is not for everybody."""
    if not state.settings.open_metrics:
        caller_of(request, state.settings)
    if state.worker is not None:
        state.metrics.waiting.set(state.worker.waiting)
    return Response(state.metrics.text(), media_type=CONTENT_TYPE)


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "latentguard"}


def not_found(path: str) -> ApiError:
    """No such route."""
    return ApiError(404, f"There is nothing at {path[:200]!r}.", code="not_found")
