"""The server as an ASGI application: its routes, its errors, its log, and the loading of its model."""

import asyncio
import time
import traceback
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, HTTPException
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentguard.serve.aside import aside
from latentguard.serve.documented import complete
from latentguard.serve.engine import Engine
from latentguard.serve.errors import CLIENT_LEFT, ApiError, unavailable
from latentguard.serve.gate import Door
from latentguard.serve.routes import chat, checks, elsewhere, moderations, status
from latentguard.serve.state import State
from latentguard.serve.work import Worker

BATCHES = 8
"""Of the model's own batches, how many hold what the next one is chosen from."""


def create_app(state: State, load: Callable[[State], Engine]) -> FastAPI:
    """The application. `load` makes the engine, in a thread: until it has, /readyz says 503."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        loading = asyncio.create_task(_load(state, load))
        try:
            yield
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            if state.worker is not None:
                await asyncio.to_thread(state.worker.stop)

    app = FastAPI(
        title="latentguard",
        version="1",
        description="Moderation and guarded chat by what an open-weight model itself believes of a request.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.latentguard = state
    state.log.told = state.metrics.lost_lines.inc
    for routes in (moderations, checks, elsewhere if state.settings.sidecar else chat, status):
        app.include_router(routes.router)
    app.add_exception_handler(ApiError, _answered)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(HTTPException, _refused)
    waiting = {route.path: route for part in (moderations, checks) for route in part.router.routes}
    app.add_middleware(Door, state=state, checks=waiting)
    app.add_middleware(Observed, state=state)
    complete(app)
    return app


async def _load(state: State, load: Callable[[State], Engine]) -> None:
    begun = time.monotonic()
    state.loading = True
    try:
        engine = await aside(load, state)
    except Exception as error:
        state.loading, state.failure = False, error
        return
    state.loading = False
    own = engine.guard.model.batch_tokens
    batch = state.settings.batch_tokens or BATCHES * own
    state.engine = engine
    engine.told, engine.broke = state.metrics.shadowed, state.metrics.broke
    state.worker = Worker(
        engine,
        batch_tokens=batch,
        run_tokens=own,
        queued_tokens=int(state.settings.queued_batches * batch),
        wait=state.settings.max_wait_ms / 1000,
        most_chats=state.settings.max_chats,
        observer=state.metrics,
    )
    state.worker.start()
    state.metrics.judged_by(engine.by)
    state.metrics.on_bug = lambda error: state.log("bug", error="".join(traceback.format_exception(error)))
    if state.phase == "starting":
        state.phase = "ready"
    _warn_of_longer_answers(state, engine)
    state.log(
        "ready",
        model=engine.guard.model.name,
        guard=engine.by.version,
        seconds=round(time.monotonic() - begun, 2),
    )


def _warn_of_longer_answers(state: State, engine: Engine) -> None:
    """Thresholds for answers hold for answers as long as those they were set on."""
    fitted = engine.guard.manifest.answers
    if fitted is not None and state.settings.max_new_tokens > fitted.tokens:
        state.log(
            "answers_longer_than_fitted",
            max_new_tokens=state.settings.max_new_tokens,
            fitted_on=fitted.tokens,
        )


async def _answered(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.response()


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """What the router itself refuses: no such path, or no such method there."""
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == 404:
        return status.not_found(request.url.path).response()
    said = f"{error.detail}: {request.method} {request.url.path[:200]}."
    return ApiError(error.status_code, said, headers=error.headers).response()


class Observed:
    """Every request gets an id, a line in the log, and a place in the metrics; a bug becomes a 500 with a
    body."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, given = time.monotonic(), _header(scope, b"x-request-id")
        identifier = (
            given if given.isascii() and given.isprintable() and 0 < len(given) <= 128 else uuid.uuid4().hex
        )
        answered: list[int] = []

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.append(message["status"])
                message["headers"] = [*message.get("headers", []), (b"x-request-id", identifier.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except asyncio.CancelledError:  # the time to drain is over
            if not answered:
                await unavailable("draining").response()(scope, receive, sent)
            raise
        except Exception as error:
            self._state.log("bug", id=identifier, error="".join(traceback.format_exception(error)))
            if answered:
                raise
            broke = ApiError(500, "A bug in this server. Its log has more.", headers={"Connection": "close"})
            await broke.response()(scope, receive, sent)
        finally:
            seconds = time.monotonic() - begun
            code = answered[0] if answered else CLIENT_LEFT
            route = scope.get("route")
            path = getattr(route, "path", "unknown")
            self._state.metrics.requests.labels(path, str(code)).inc()
            self._state.metrics.latency.labels(path).observe(seconds)
            if path not in ("/healthz", "/readyz", "/metrics"):
                self._state.log(
                    "request",
                    id=identifier,
                    method=scope["method"],
                    path=path,
                    status=code,
                    ms=round(1000 * seconds, 1),
                )


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
