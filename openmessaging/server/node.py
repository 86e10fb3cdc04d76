"""A node: one running broker. It opens the store, listens, and ends in order."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import time
from typing import Any

from openmessaging.model.access_point import parse
from openmessaging.model.errors import error
from openmessaging.server.config import Config, address
from openmessaging.server.requests import Driver
from openmessaging.server.server import Server


def now_ms() -> int:
    """The wall clock, ms."""
    return time.time_ns() // 1_000_000


class Node:
    """Serves the store of a configuration in the running loop.

    Args:
        config: what it is told.

    After `start` it has the served `driver`, the native `server`, and `http`, None where HTTP is off.
    """

    driver: Driver
    server: Server

    def __init__(self, config: Config) -> None:
        self.config = config
        path = config.store.path
        self.store_url = path if path.startswith("oms:") else f"oms:embedded://{path}"
        """The access point of the store: `oms:memory:NAME` may be given as its path too, to try things out."""
        self.http: Any = None
        self.port: int | None = None
        """Where TCP is listened on."""
        self.draining = False
        self.started_ms = now_ms()

    @property
    def url(self) -> str | None:
        """The access point for programs on this machine; None where TCP is not open."""
        if self.port is None:
            return None
        host = address(self.config.listen.tcp)[0]
        return f"oms:oms://{f'[{host}]' if ':' in host else host}:{self.port}/local"

    @property
    def http_url(self) -> str | None:
        """Where HTTP answers, without a slash at the end; None where it does not."""
        if self.http is None:
            return None
        host = address(self.config.http.listen)[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http.port}"

    async def start(self) -> None:
        """Open the store and listen.

        Raises OMSRuntimeException: as the driver's `open`; 1418 for an address that may not be listened on; 10000 when
        it cannot be. What was opened until then is closed.
        """
        config = self.config
        options = {name: getattr(config.store, name) for name in type(config.store).__struct_fields__ if name != "path"}
        self.driver = await _factory().open(parse(self.store_url), options)
        self.server = Server(self.driver, now_ms, config.limits)
        try:
            await self._listen()
        except BaseException as cause:
            await self.close()
            if isinstance(cause, OSError | ValueError):
                step = "Give another address, or end what listens there"
                raise error(10000, f"cannot listen: {cause}", next_step=step) from cause
            raise
        self.started_ms = now_ms()

    async def _listen(self) -> None:
        config = self.config
        if config.http.listen:
            self.http = await _http().start(self, *allowed(config.http.listen, "http.listen"))
        if config.listen.unix:
            await self.server.listen_unix(config.listen.unix)
        if config.listen.tcp:
            self.port = await self.server.listen(*allowed(config.listen.tcp, "listen.tcp"))

    async def drain(self) -> None:
        """Say that it is not ready any more, and give those who ask time to notice."""
        if not self.draining:
            self.draining = True
            await asyncio.sleep(self.config.shutdown.delay)

    async def close(self) -> None:
        """Take no new clients, answer what is being stored, hang up, close the store. Safe to call twice."""
        self.draining = True
        grace = self.config.shutdown.grace
        if self.http is not None:
            await self.http.close(grace)
        await self.server.close(grace)
        await self.driver.close()


def check(config: Config) -> None:
    """Find what `Node.start` would refuse without opening anything. Raises OMSRuntimeException 1418."""
    if config.listen.tcp:
        allowed(config.listen.tcp, "listen.tcp")
    if config.http.listen:
        allowed(config.http.listen, "http.listen")
        _http()


def allowed(text: str, option: str) -> tuple[str, int]:
    """An address that may be listened on. Raises OMSRuntimeException 1418 for one that others can reach."""
    try:
        host, port = address(text)
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as cause:
        raise error(1418, f"{option}: {cause}", field=option) from cause
    if not loopback:
        step = "Listen on 127.0.0.1: there is no access control yet"
        raise error(1418, f"{option}: {text} is no loopback address", next_step=step, field=option)
    return host, port


def _factory() -> Any:
    """The embedded driver, by name: drivers are the layer above, for one of them serves its store itself."""
    return importlib.import_module("openmessaging.drivers.embedded").driver


def _http() -> Any:
    """What listens for HTTP. Raises OMSRuntimeException 1418 when it is not installed."""
    try:
        return importlib.import_module("openmessaging.server.http.listener")
    except ImportError as cause:
        step = 'Install it: pip install "openmessaging[http]"'
        raise error(1418, f"HTTP is not installed here ({cause})", next_step=step, field="http.listen") from cause
