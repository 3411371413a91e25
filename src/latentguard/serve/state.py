"""One server's parts, as its routes see them."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request

from latentguard.serve.engine import Engine
from latentguard.serve.errors import unavailable
from latentguard.serve.log import Log
from latentguard.serve.metrics import Metrics
from latentguard.serve.rendering import Rendering
from latentguard.serve.settings import Settings
from latentguard.serve.work import Worker

Phase = Literal["starting", "ready", "draining"]


@dataclass(slots=True, eq=False)
class State:
    """What a server has: `engine` and `worker` are there once the model is loaded."""

    settings: Settings
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    phase: Phase = "starting"
    engine: Engine | None = None
    worker: Worker | None = None
    rendering: Rendering = field(default_factory=Rendering)
    requests: int = 0
    """Requests under /v1 that are being served."""
    loading: bool = False
    """Whether the model is being loaded, in a thread that goes on with it when the server has ended."""
    failure: BaseException | None = None
    """What broke while the model was loaded."""
    watching: "asyncio.Task[None] | None" = None
    """What waits for the end."""
    reloading: "asyncio.Task[None] | None" = None
    """What reads the guard again."""
    reloads: int = 0
    """How often that was asked for."""

    def require_ready(self) -> None:
        """Raises `ApiError` 503 while starting or draining: of a request that is not let in yet."""
        if self.phase != "ready":
            raise unavailable(self.phase)

    def running(self) -> tuple[Engine, Worker]:
        """The engine and its worker, also while draining: a request that was let in is answered."""
        if self.engine is None or self.worker is None:
            raise unavailable(self.phase)
        return self.engine, self.worker


async def state_of(request: Request) -> State:
    """The server's, from one of its requests. FastAPI would run a plain function in a thread."""
    return request.app.state.latentguard
