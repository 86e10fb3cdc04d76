"""A node: one running broker. It opens the store, listens, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import time
from collections.abc import Iterable
from typing import Any

from openmessaging.broker.runner import Runner
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server import tracing
from openmessaging.server.config import Config, address
from openmessaging.server.exposition import Family, single
from openmessaging.server.health import Health, Pulse, ready
from openmessaging.server.metrics import Metrics
from openmessaging.server.notify import Notifier
from openmessaging.server.security import Security
from openmessaging.server.served import Driver
from openmessaging.server.server import Server
from openmessaging.server.tracing import TracedDriver, Tracing

_LOOK = 0.02
"""Seconds between looks whether all is settled."""


def now_ms() -> int:
    """The wall clock, ms."""
    return time.time_ns() // 1_000_000


class Node:
    """Serves the store of a configuration in the running loop.

    Args:
        config: what it is told.

    After `start` it has the served `driver`, `security`, the native `server`, and `http`, None where HTTP is off.
    """

    driver: Driver
    security: Security
    server: Server

    def __init__(self, config: Config) -> None:
        self.config = config
        path = config.store.path
        self.store_url = path if path.startswith("oms:") else f"oms:embedded://{path}"
        """The access point of the store: `oms:memory:NAME` may be given as its path too, to try things out."""
        self._directory = "" if self.store_url.startswith("oms:memory:") else parse(self.store_url).path or ""
        self.metrics = Metrics(config.metrics.max_series)
        self.metrics.gauges.append(self._gauges)
        self.notifier = Notifier(os.environ)
        self.pulse = Pulse(self.notifier.alive)
        self.http: Any = None
        self.port: int | None = None
        """Where TCP is listened on."""
        self.draining = False
        self._watching: asyncio.Task[None] | None = None
        self._tracing: Tracing | None = None
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
        scheme = "https" if self.config.tls.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.http.port}"

    async def start(self) -> None:
        """Open the store and listen.

        Raises OMSRuntimeException: as the driver's `hold`; 1418 for users that cannot be read, and for an address that
        may not be listened on; 10000 when it cannot be. What was opened until then is closed.
        """
        config = self.config
        self.security = secured(config)
        options = {name: getattr(config.store, name) for name in type(config.store).__struct_fields__ if name != "path"}
        self._tracing = tracing.opened(config.tracing)
        driver = await _factory().hold(parse(self.store_url), options)
        self.driver = driver if self._tracing is None else TracedDriver(driver, self._tracing.tracer)
        self._runner: Runner | None = getattr(self.driver, "runner", None)
        """Of a store in this process."""
        if self._runner is not None:
            self.metrics.watch(self._runner, self._directory)
        self.security.stored_bytes = getattr(self.driver, "stored_bytes", None)
        self.server = Server(self.driver, now_ms, config.limits, self.metrics, self.security)
        try:
            await self._listen()
        except BaseException as cause:
            await self.close()
            if isinstance(cause, OSError | ValueError):
                step = "Give another address, or end what listens there"
                raise error(10000, f"cannot listen: {cause}", next_step=step) from cause
            raise
        self._watching = asyncio.get_running_loop().create_task(self.security.watch())
        self.started_ms = now_ms()
        self.pulse.start()
        self.notifier.ready(f"serving {self.store_url}")

    async def _listen(self) -> None:
        config, security = self.config, self.security
        if config.http.listen:
            host, port = allowed(config, security, config.http.listen, "http.listen")
            self.http = await _http().start(self, host, port, security.tls(config.tls, ("h2", "http/1.1")))
        if config.listen.unix:
            await self.server.listen_unix(config.listen.unix)
        if config.listen.tcp:
            host, port = allowed(config, security, config.listen.tcp, "listen.tcp")
            self.port = await self.server.listen(host, port, security.tls(config.tls))

    def health(self) -> Health:
        """Whether it can do its work."""
        runner, lag = self._runner, self.pulse.lag
        return ready(self.config.health, draining=self.draining, runner=runner, path=self._directory, lag=lag)

    def _gauges(self) -> Iterable[Family]:
        yield single("oms_ready", "gauge", "1 when it can do its work, as /readyz says", self.health().ready)
        yield single("oms_start_time_seconds", "gauge", "When it was started", self.started_ms / 1000)
        yield single("oms_loop_lag_seconds", "gauge", "How late the event loop was in the last ten", self.pulse.lag)
        connections = Family("oms_connections", "gauge", "Clients")
        connections.add(self.server.connections, {"protocol": "native"})
        if self.http is not None:
            connections.add(self.http.connections, {"protocol": "http"})
        yield connections

    async def drain(self) -> None:
        """Begin to end: not ready any more; after `shutdown.delay` no new clients and no more messages; then consumers
        have `shutdown.grace` seconds to settle what they have in hand."""
        if self.draining:
            return
        self.draining = True
        self.notifier.stopping()
        await asyncio.sleep(self.config.shutdown.delay)
        self.server.drain()
        deadline = time.monotonic() + self.config.shutdown.grace
        while self._in_flight() and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK)

    def _in_flight(self) -> bool:
        """Whether somebody connected has messages that are not settled."""
        runner = self._runner
        if runner is None or not self.server.connections:
            return False
        with runner.lock:
            return any(not lease.group.is_route for lease in runner.engine.leases.values())

    async def close(self) -> None:
        """Take no new clients, answer what is being stored, hang up, close the store. Safe to call twice."""
        self.draining = True
        self.pulse.stop()
        grace = self.config.shutdown.grace
        await self.server.close(grace)  # first: clients of the native protocol come through HTTP too
        if self.http is not None:
            await self.http.close(grace)
        await self.driver.close()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self.security.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)


def check(config: Config) -> None:
    """Find what `Node.start` would refuse without opening the store. Raises OMSRuntimeException 1418."""
    security = secured(config)
    if config.listen.tcp:
        allowed(config, security, config.listen.tcp, "listen.tcp")
    if config.http.listen:
        allowed(config, security, config.http.listen, "http.listen")
        _http().check(config)
    security.tls(config.tls)


def allowed(config: Config, security: Security, text: str, option: str) -> tuple[str, int]:
    """An address that may be listened on. Raises OMSRuntimeException 1418 for one that is none, and for one that others
    can reach without users and TLS."""
    try:
        host, port = address(text)
    except ValueError as cause:
        raise error(1418, f"{option}: {cause}", field=option) from cause
    try:
        security.check_listen(host, config.tls)
    except OMSRuntimeException as cause:
        raise cause.located(option) from None
    return host, port


def secured(config: Config) -> Security:
    """Who may do what on the store of a configuration. Raises OMSRuntimeException 1418 for a wrong file of users."""
    path = config.store.path
    store = parse(path if path.startswith("oms:") else f"oms:embedded://{path}")
    return Security.of_store(store.path if store.driver == "embedded" else None, config.security)


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
