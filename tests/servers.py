"""A server of a store in memory or in a directory, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse
from openmessaging.server import Limits, Server


class Serving:
    """A running server: where it is, and its loop to look into it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server, port: int) -> None:
        self.loop = loop
        self.server = server
        self.port = port
        self.url = f"oms:oms://127.0.0.1:{port}/test"


@contextmanager
def serving(
    url: str, attributes: dict[str, Any] | None = None, limits: Limits | None = None, port: int = 0
) -> Iterator[Serving]:
    """Serve the embedded store behind a URL on a free port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serving")
    thread.start()

    async def start() -> tuple[Any, Server, int]:
        driver = await embedded.open(parse(url), attributes or {})
        server = Server(driver, lambda: time.time_ns() // 1_000_000, limits)
        return driver, server, await server.listen("127.0.0.1", port)

    async def stop() -> None:
        await server.close()
        await driver.close()

    try:
        driver, server, chosen = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield Serving(loop, server, chosen)
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
