"""A guard read again while the server runs: between two batches, or not at all.

One reading at a time: of two at once the older one could end last, and its guard stay.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from latentguard.guard import Guard, require_depth
from latentguard.serve.aside import aside
from latentguard.serve.engine import Engine
from latentguard.serve.state import State

TICK = 0.05


@dataclass(frozen=True, slots=True)
class _Read:
    guard: Guard
    shadow: Guard | None


def ask(state: State) -> None:
    """Have the folders read again, on the event loop. What is asked for while they are being read is answered
    by one reading more, and while the model is being loaded, when it has been."""
    state.reloads += 1
    if state.reloading is None or state.reloading.done():
        state.reloading = asyncio.create_task(_until_read(state))


async def _until_read(state: State) -> None:
    while state.worker is None and state.failure is None:
        await asyncio.sleep(TICK)
    read = None
    while read != state.reloads:
        read = state.reloads
        await reload(state)


async def reload(state: State) -> None:
    """Read the guard's folder, and the shadow's, again. What cannot be read is told; the old one stays."""
    engine, worker = state.engine, state.worker
    if engine is None or worker is None:
        return
    try:
        read = await aside(_read, state, engine)
    except Exception as error:  # whatever is wrong with the folder: the old guard stays
        state.log("reload_failed", error=str(error))
        return

    def swap() -> None:
        engine.replace(read.guard, read.shadow)
        state.metrics.judged_by(engine.by)
        state.log("reloaded", guard=engine.by.version)

    worker.between_batches(swap)


def _read(state: State, engine: Engine) -> _Read:
    shadow = state.settings.shadow
    return _Read(
        _guard(engine.guard_folder, engine),
        None if shadow is None else _guard(shadow, engine),
    )


def _guard(folder: Path, engine: Engine) -> Guard:
    guard = Guard.load(folder, engine.model)
    require_depth(guard, f"the guard in {folder}")
    return guard
