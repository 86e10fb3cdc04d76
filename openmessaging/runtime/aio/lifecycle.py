"""The life of a service: initialized, starting, started, stopping, stopped, and started again.

Source: runtime interface, "lifecycle": a failed start goes back to the state before; start when started and stop when
not started do nothing.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self
from weakref import WeakSet

from openmessaging.runtime.aio.primitives import Lock
from openmessaging.runtime.state import ServiceState, not_started

_services: WeakSet[Service] = WeakSet()


class Service:
    """Root of producers and consumers."""

    _kind = "service"

    def __init__(self) -> None:
        self._state = ServiceState.INITIALIZED
        self._transition = Lock()
        _services.add(self)

    @property
    def current_state(self) -> ServiceState:
        """Where it is in its life."""
        return self._state

    async def start(self) -> None:
        """Be ready when this returns; nothing happens when it is started. May be called again after stop."""
        async with self._transition:
            if self._state is ServiceState.STARTED:
                return
            before = self._state
            self._enter(ServiceState.STARTING)
            try:
                await self._open()
            except BaseException:
                self._enter(before)
                raise
            self._enter(ServiceState.STARTED)

    async def stop(self) -> None:
        """Finish what is in flight and let go; nothing happens when it is not started."""
        async with self._transition:
            if self._state is not ServiceState.STARTED:
                return
            self._enter(ServiceState.STOPPING)
            try:
                await self._close()
            finally:
                self._enter(ServiceState.STOPPED)

    async def startup(self) -> None:
        """As `start` (the name of older releases of the standard)."""
        await self.start()

    async def shutdown(self) -> None:
        """As `stop` (the name of older releases of the standard)."""
        await self.stop()

    async def close(self) -> None:
        """As `stop`, for `contextlib.closing` and the like."""
        await self.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _enter(self, state: ServiceState) -> None:
        self._state = state

    def _require_started(self) -> None:
        """Raises OMSRuntimeException 1503 outside STARTED."""
        if self._state is not ServiceState.STARTED:
            raise not_started(self._kind, self._state)

    def leave(self) -> None:
        """In a forked child: what was started is the parent's. It may be started here anew."""
        self._state = ServiceState.INITIALIZED
        self._transition = Lock()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError


def _leave_services() -> None:
    for service in list(_services):
        service.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_services)
