"""Opening embedded stores: one open store per directory and process, shared by all access points on it."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from typing import Any

import msgspec

from openmessaging.broker.store import Store, StoreOptions, open_memory, open_store
from openmessaging.drivers.embedded.aio import EmbeddedDriver
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException

_OPTIONS = frozenset(StoreOptions.__struct_fields__)


class _Shared:
    """An open store and how many drivers use it."""

    def __init__(self, store: Store, options: StoreOptions) -> None:
        self.store = store
        self.options = options
        self.users = 1


class EmbeddedFactory:
    """Opens drivers on embedded stores; both faces of a directory share one store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Shared] = {}

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> EmbeddedDriver:
        """Open for asyncio. Raises as `open_store`, and 1418 for options that are wrong or contradict an open store."""
        opening: Future[BlockingEmbeddedDriver] = Future()

        def work() -> None:
            opening.set_running_or_notify_cancel()
            try:
                opening.set_result(self.open_blocking(access_point, attributes))
            except BaseException as cause:
                opening.set_exception(cause)

        threading.Thread(target=work, name="openmessaging-open", daemon=True).start()
        try:
            return EmbeddedDriver(await asyncio.wrap_future(opening))
        except asyncio.CancelledError:  # nobody will close it
            opening.add_done_callback(_close)
            raise

    def open_blocking(self, access_point: AccessPoint, attributes: dict[str, Any]) -> BlockingEmbeddedDriver:
        """Open for threads. Raises as `open`."""
        given = {name: value for name, value in attributes.items() if name in _OPTIONS}
        try:
            options = msgspec.convert(given, StoreOptions)
        except msgspec.ValidationError as cause:
            raise OMSRuntimeException(1418, f"store options: {cause}") from cause
        memory = access_point.driver == "memory"
        path = access_point.path or ""
        key = f"memory:{path}" if memory else os.path.realpath(path)
        with self._lock:
            shared = self._open.get(key)
            if shared is None:
                store = open_memory(options) if memory else open_store(key, options)
                shared = self._open[key] = _Shared(store, options)
            else:
                if given and options != shared.options:
                    raise OMSRuntimeException(
                        1418,
                        f"this process has {access_point.url} open with other options",
                        next_step="Close the other access point first, or use the same options",
                    )
                shared.users += 1
        return BlockingEmbeddedDriver(shared.store, lambda: self._release(key))

    def lend(self, key: str, store: Store, options: StoreOptions) -> BlockingEmbeddedDriver:
        """Have a store that the caller opened found by access points: `memory:NAME` by `oms:memory:NAME`. It closes
        with its last user, of which the returned driver is the first."""
        with self._lock:
            self._open[key] = _Shared(store, options)
        return BlockingEmbeddedDriver(store, lambda: self._release(key))

    def _release(self, key: str) -> None:
        """One user less; the last one closes the store. Others wait, so that a reopening finds it closed."""
        with self._lock:
            shared = self._open[key]
            shared.users -= 1
            if shared.users == 0:
                del self._open[key]
                shared.store.close()


def _close(opened: Future[BlockingEmbeddedDriver]) -> None:
    if opened.exception() is None:
        opened.result().close()
