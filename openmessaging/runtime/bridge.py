"""A driver that has only the asyncio face, for threads: its calls run in one event loop in a background thread.

The loop is shared by all bridged drivers of the process and lives as long as it. Every call costs two changes of
threads, which disappears behind a network; the embedded store never comes this way.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

import msgspec

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.blocking_spi import BlockingDriver
from openmessaging.model.spi import (
    Capability,
    Done,
    Driver,
    DriverFactory,
    OutgoingBatch,
    Placement,
    Subscription,
    SubscriptionSpec,
)
from openmessaging.model.transaction import Settlement

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def bridge_loop() -> asyncio.AbstractEventLoop:
    """The loop of the background thread, started on first use."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="openmessaging-bridge", daemon=True).start()
        return _loop


def _forget_loop() -> None:
    """In a forked child: its thread is the parent's."""
    global _loop
    _loop = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_loop)


def open_bridged(factory: DriverFactory, access_point: AccessPoint, attributes: dict[str, Any]) -> BlockingDriver:
    """Open a driver in the background loop; raises what it raises."""
    driver = _call(factory.open, access_point, attributes)
    return cast(BlockingDriver, BridgedDriver(driver))


class Bridged:
    """Every method of an object that belongs to the loop, callable from any thread; raises what the method raises."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = partial(_call, getattr(self.inner, name))
        setattr(self, name, call)
        return call


class BridgedDriver(Bridged):
    """A driver over the bridge: a `BlockingDriver`."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.capabilities = inner.capabilities
        self.max_body_bytes = inner.max_body_bytes
        self.emulated: frozenset[Capability] = getattr(inner, "emulated", frozenset())

    def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""
        inner = [
            msgspec.structs.replace(each, subscription=each.subscription.inner)
            if isinstance(each.subscription, Bridged)
            else each
            for each in settlements
        ]
        placements: list[Placement] = _call(self.inner.commit, batches, inner)
        return placements

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over in order and return at once; `done` is called in the loop's thread."""
        bridge_loop().call_soon_threadsafe(self.inner.submit, batch, done)

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request; as `submit`."""
        bridge_loop().call_soon_threadsafe(self.inner.ask, batch, done)

    def subscribe(self, spec: SubscriptionSpec) -> Any:
        """Join a consumer group."""
        subscription: Subscription = _call(self.inner.subscribe, spec)
        return Bridged(subscription)


def _start(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    return asyncio.run_coroutine_threadsafe(_run(function, *arguments), bridge_loop())


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    future = _start(function, *arguments)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def _run(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result
