"""What carries the bytes of a link: a WebSocket, or pairs of requests where firewalls let no WebSocket pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import aiohttp

from openmessaging.model.errors import error

POLL_WAIT = 20
"""Seconds that the server may wait for something to answer with: proxies cut off what is silent for longer."""
ASK_TIMEOUT = 30.0
"""Seconds for a request, the wait included."""
PAUSES = (0.0, 0.05, 0.2, 0.5)
"""Seconds before each attempt of a request."""


class Carrier(Protocol):
    """See `openmessaging.transport.tunnel`."""

    def receive(self) -> Awaitable[bytes]:
        """Bytes from the server; nothing when it has hung up. Raises OSError."""
        ...

    def send(self, data: bytes) -> Awaitable[None]:
        """Bytes to the server. Raises OSError, OMSSecurityException 1401 when it does not know who asks."""
        ...

    def close(self) -> Awaitable[None]:
        """Hang up."""
        ...


class WebSocket:
    """The messages of a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> bytes:
        """See `Carrier`."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.BINARY:
                    if message.data:
                        data: bytes = message.data
                        return data
                case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                    return b""
                case _:
                    raise ConnectionError(f"the server sent {message.type.name}: {message.data}")

    async def send(self, data: bytes) -> None:
        """See `Carrier`."""
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        """See `Carrier`."""
        await self._socket.close()


class Requests:
    """Two requests at a time: one brings bytes up, one waits for those that come down. Each says from which byte on, so
    that one without an answer is asked again."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._up = self._down = 0
        self._begun = asyncio.Event()
        """Set once the server has heard of this session."""

    async def receive(self) -> bytes:
        """See `Carrier`."""
        await self._begun.wait()
        while True:
            data = await self._ask(f"{self._url}/down?at={self._down}&wait={POLL_WAIT}", b"")
            if data is None:
                return b""
            if data:
                self._down += len(data)
                return data

    async def send(self, data: bytes) -> None:
        """See `Carrier`."""
        if await self._ask(f"{self._url}/up?at={self._up}", data) is None:
            raise ConnectionResetError("the server does not know this session any more")
        self._up += len(data)
        self._begun.set()

    async def _ask(self, url: str, data: bytes) -> bytes | None:
        """The answer's body; None when the session has ended."""
        problem: object = None
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                async with (
                    asyncio.timeout(ASK_TIMEOUT),
                    self._session.post(url, data=data, allow_redirects=False) as response,
                ):
                    if response.status in (200, 204):
                        return await response.read()
                    if response.status in (401, 404):
                        if response.status == 401:
                            raise unknown_account()
                        return None
                    problem = f"status {response.status}: {(await response.text())[:200]}"
            except (aiohttp.ClientError, TimeoutError) as cause:
                problem = cause
        raise ConnectionError(f"{url}: {problem or 'no answer'}")

    async def close(self) -> None:
        """See `Carrier`."""
        if self._begun.is_set():
            await self._ask(f"{self._url}/end", b"")


def unknown_account() -> Exception:
    """The error for an answer 401."""
    return error(1401, "the server does not know who asks", next_step="Check the account and the attribute ACCOUNT_KEY")
