"""The life of a service: initialized, starting, started, stopping, stopped, and started again.

Source: runtime interface, "lifecycle": a failed start goes back to the state before; start when started and stop when
not started do nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from openmessaging.runtime.aio.primitives import Lock
from openmessaging.runtime.state import ServiceState, not_started


class Service:
    """Root of producers and consumers."""

    _kind = "service"

    def __init__(self) -> None:
        self._state = ServiceState.INITIALIZED
        self._transition = Lock()

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

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError
