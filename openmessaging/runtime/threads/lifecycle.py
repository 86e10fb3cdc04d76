# Generated from openmessaging/runtime/aio/lifecycle.py by scripts/unasync.py: change that file instead.
"""The life of a service: initialized, starting, started, stopping, stopped, and started again.

Source: runtime interface, "lifecycle": a failed start goes back to the state before; start when started and stop when
not started do nothing.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self
from weakref import WeakSet

from openmessaging.runtime.state import ServiceState, not_started
from openmessaging.runtime.threads.primitives import Lock

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

    def start(self) -> None:
        """Be ready when this returns; nothing happens when it is started. May be called again after stop."""
        with self._transition:
            if self._state is ServiceState.STARTED:
                return
            before = self._state
            self._enter(ServiceState.STARTING)
            try:
                self._open()
            except BaseException:
                self._enter(before)
                raise
            self._enter(ServiceState.STARTED)

    def stop(self) -> None:
        """Finish what is in flight and let go; nothing happens when it is not started."""
        with self._transition:
            if self._state is not ServiceState.STARTED:
                return
            self._enter(ServiceState.STOPPING)
            try:
                self._close()
            finally:
                self._enter(ServiceState.STOPPED)

    def startup(self) -> None:
        """As `start` (the name of older releases of the standard)."""
        self.start()

    def shutdown(self) -> None:
        """As `stop` (the name of older releases of the standard)."""
        self.stop()

    def close(self) -> None:
        """As `stop`, for `contextlib.closing` and the like."""
        self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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

    def _open(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


def _leave_services() -> None:
    for service in list(_services):
        service.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_services)
