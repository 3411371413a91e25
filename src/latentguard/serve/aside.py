"""Torch beside the worker: in a thread that ends with its work.

Every thread that has run something parallel keeps OpenMP's helpers until it ends, and with more helpers than
processors all of them sleep where they would wait awake: the worker's model was 10 to 20 % slower for a
thread of a pool that had loaded it and lived on.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def aside(work: Callable[..., Result], *arguments: object) -> Result:
    """What `work` returns or raises, from a thread of its own. Where the caller is cancelled it runs on, and
    the process ends when it has ended."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        def once() -> None:
            if not done.done():
                settle()

        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(once)

    def run() -> None:
        try:
            result = work(*arguments)
        except BaseException as error:
            raised = error
            tell(lambda: done.set_exception(raised))
        else:
            tell(lambda: done.set_result(result))

    threading.Thread(target=run, name="latentguard-aside").start()
    return await done
