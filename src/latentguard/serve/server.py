"""The process: a socket, signals, and an orderly end in which every accepted request is answered."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn

from latentguard.errors import BadSettings
from latentguard.serve.app import create_app
from latentguard.serve.connection import watched
from latentguard.serve.engine import Engine
from latentguard.serve.reloading import ask
from latentguard.serve.standard_error import unblocked
from latentguard.serve.state import State

TICK = 0.05
BACKLOG = 2048
"""Connections that the system keeps until they are accepted, as uvicorn has it."""
SWITCH = 0.0005
"""Seconds after which a thread that runs Python lets another have its turn: the model's thread and the event
loop wait for each other. With the interpreter's own 5 ms the organism judged 315 prompts a second under four
times its load, with this 357 and 369."""


class Server(uvicorn.Server):
    """uvicorn's server that first lets accepted requests finish: draining, it answers new ones with 503."""

    def __init__(self, config: uvicorn.Config, state: State, announced: Callable[[str], None]) -> None:
        super().__init__(config)
        self._state, self._announced = state, announced
        self._drain: asyncio.Task[None] | None = None

    async def startup(self, sockets: "list[object] | None" = None) -> None:  # type: ignore[override]
        """Say where it listens; the port may have been chosen by the system."""
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in getattr(self, "servers", []):
            for one in server.sockets:
                host, port = one.getsockname()[:2]
                self._announced(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        self._state.watching = asyncio.create_task(self._watch())
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread, or no signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one ends at once."""
        if self._state.phase == "draining" or (sig == signal.SIGINT and self._state.phase == "starting"):
            self.should_exit = self.force_exit = True
            return
        self._state.phase = "draining"

    def _reload(self) -> None:
        """SIGHUP: the guard is read again."""
        ask(self._state)

    async def _watch(self) -> None:
        """Ends the server when it has drained, or when its model could not be loaded."""
        while self._state.phase != "draining":
            if self._state.failure is not None:
                self.should_exit = True
                return
            await asyncio.sleep(TICK)
        self._state.log("draining", requests=self._state.requests)
        loop = asyncio.get_running_loop()
        due = loop.time() + self._state.settings.drain_s
        while self._state.requests and loop.time() < due and not self.should_exit:
            await asyncio.sleep(TICK)
        self.should_exit = True


@contextmanager
def _taking_turns_quickly() -> Generator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def model_left_alone(load: Callable[[State], Engine]) -> Generator[Callable[[State], Engine]]:
    """`load`, after which the garbage collector passes by all that is there: looking through the objects of
    torch and of a model, of which none ever goes, stopped every thread for 0.3 s every few seconds."""

    def loaded(state: State) -> Engine:
        engine = load(state)
        gc.collect()
        gc.freeze()
        return engine

    try:
        yield loaded
    finally:
        gc.unfreeze()


def listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of this machine that `host` stands for, all at one port; 0 takes a free one.

    Before any model is loaded. Raises `BadSettings` where there is none, or one is taken.
    """
    made: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        absent = OSError(errno.EADDRNOTAVAIL, "")
        for family, kind, protocol, _, (address, *_) in dict.fromkeys(found):
            same = made[0].getsockname()[1] if made else port
            try:
                made.append(_bound(socket.socket(family, kind, protocol), (str(address), same)))
            except OSError as error:  # localhost is ::1, too, where there may be no IPv6
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
        if not made:
            raise absent
    except (OSError, UnicodeError) as error:
        for one in made:
            one.close()
        raise BadSettings(
            f"{f'[{host}]' if ':' in host else host}:{port} cannot be listened at: {_why(error)}.\n"
            "  Choose another --host or --port; port 0 takes a free one."
        ) from None
    return made


def _bound(made: socket.socket, address: tuple[str, int]) -> socket.socket:
    """Of a protocol that is named: by it asyncio knows for which connections it turns off Nagle's algorithm,
    under which an answer in two writes waits 40 ms."""
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "no such address is known"
    return os.strerror(error.errno or 0)


def serve(state: State, load: Callable[[State], Engine], announced: Callable[[str], None]) -> None:
    """Serve until a signal ends it. Raises what broke while the model was loaded, and `BadSettings` where its
    address cannot be listened at."""
    sockets = listening(state.settings.host, state.settings.port)
    with (
        unblocked(state.log.lose),
        state.log.hearing(),
        _taking_turns_quickly(),
        model_left_alone(load) as loaded,
    ):
        Server(_config(state, loaded), state, announced).run(sockets)
    if state.failure is not None:
        raise state.failure


def _config(state: State, load: Callable[[State], Engine]) -> uvicorn.Config:
    settings = state.settings
    return uvicorn.Config(
        create_app(state, load),
        host=settings.host,
        port=settings.port,
        http=watched(settings.head_timeout_s, settings.write_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=max(1, round(settings.write_timeout_s)),
    )
