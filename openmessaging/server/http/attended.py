"""A stream that counts as a connection of its user, and ends when his right to it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security import Identity, Security


class Attended:
    """Pieces of an answer, as they come.

    Raises OMSRuntimeException 1503, when it is made, beyond the user's quota of connections.
    """

    def __init__(self, security: Security, identity: Identity, pieces: AsyncGenerator[bytes, None]) -> None:
        security.enter(identity, self._end)
        self._security = security
        self._identity = identity
        self._pieces = pieces
        self._over = False
        self._waiting: asyncio.Task[object] | None = None

    def _end(self, _: OMSRuntimeException) -> None:
        self._over = True
        if self._waiting is not None:
            self._waiting.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece; the end, too, once the right is gone."""
        if self._over:
            raise StopAsyncIteration
        self._waiting = task = asyncio.current_task()
        assert task is not None
        try:
            return await anext(self._pieces)
        except asyncio.CancelledError:
            if not self._over or task.uncancel():
                raise
            raise StopAsyncIteration from None
        finally:
            self._waiting = None

    async def aclose(self) -> None:
        """Let go. Again is no error."""
        self.leave()
        await self._pieces.aclose()

    def leave(self) -> None:
        """It counts no more."""
        self._security.leave(self._identity, self._end)
