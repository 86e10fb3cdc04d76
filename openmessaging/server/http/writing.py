"""What every connection of HTTP does while its client does not read what it was sent."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from openmessaging.server.http.settings import HttpLimits


class Writing(asyncio.Protocol):
    """A connection that says when it may write."""

    _loop: asyncio.AbstractEventLoop
    _limits: HttpLimits
    _writable: asyncio.Future[None] | None = None
    """Set while the client does not read."""
    deadline = 0.0
    """Loop time after which `overdue` is called."""

    def pause_writing(self) -> None:
        """The client does not read what it was sent."""
        self._writable = self._loop.create_future()
        self.deadline = self._loop.time() + self._limits.stalled

    def resume_writing(self) -> None:
        """It reads again."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None
            self._reads_again()

    @abstractmethod
    def _reads_again(self) -> None:
        """The client has read: it has another deadline."""
