"""The servers of the unit tests, in a namespace: each on an event loop and in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from mobileip.control.lab.namespaces import Namespace


@contextmanager
def serving(
    space: Namespace, start: Callable[[], Awaitable[object]], stop: Callable[[], Awaitable[object]]
) -> Iterator[None]:
    """Between ``start`` and ``stop``, whose event loop runs in ``space``."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        await start()
        ready.set()
        await over.wait()
        await stop()

    thread = threading.Thread(target=lambda: space.inside(lambda: loop.run_until_complete(serve())))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
