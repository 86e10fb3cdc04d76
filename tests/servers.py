"""A server of a store in memory or in a directory, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from openmessaging.server.config import Config
from openmessaging.server.node import Node
from openmessaging.server.settings import Limits


class Serving:
    """A running node: where it is, and its loop to look into it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, node: Node) -> None:
        assert node.port is not None
        self.loop = loop
        self.node = node
        self.server = node.server
        self.port = node.port
        self.url = f"oms:oms://127.0.0.1:{node.port}/test"

    @property
    def http(self) -> str:
        """Where HTTP answers, without a slash at the end."""
        assert self.node.http_url is not None
        return self.node.http_url


def config_of(url: str, attributes: dict[str, Any] | None = None, **sections: dict[str, Any]) -> Config:
    """A configuration for the store behind a URL or in a directory, on a free port unless it says another."""
    store = {"path": url, **(attributes or {})}
    return msgspec.convert({"listen": {"tcp": "127.0.0.1:0"}, **sections, "store": store}, Config)


@contextmanager
def serving(
    url: str,
    attributes: dict[str, Any] | None = None,
    limits: Limits | None = None,
    port: int = 0,
    **sections: dict[str, Any],
) -> Iterator[Serving]:
    """Serve the store behind a URL on a free port. Sections are those of the configuration, as in
    `http={"listen": "127.0.0.1:0"}`."""
    given = sections.pop("listen", {})
    sections["limits"] = msgspec.to_builtins(limits or Limits())
    config = config_of(url, attributes, listen={"tcp": f"127.0.0.1:{port}", **given}, **sections)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serving")
    thread.start()
    node = Node(config)
    try:
        asyncio.run_coroutine_threadsafe(node.start(), loop).result(10)
        yield Serving(loop, node)
        asyncio.run_coroutine_threadsafe(node.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
