"""Posts of callbacks: to checked addresses only, without redirects and proxies, within a time, reading little."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpcore
import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.http.callbacks.addresses import Rules

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host."""
MAX_ANSWER = 1024
"""Bytes of an answer that are read."""


class Answer(msgspec.Struct, frozen=True):
    """What a receiver said."""

    status: int
    body: bytes
    """The first `MAX_ANSWER` bytes at most."""
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        """Whether it has taken what was posted."""
        return 200 <= self.status < 300


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows of a host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """The network, where a name is resolved once, all its addresses are checked, and one of these is connected to: what
    was checked is what is used, whatever the name means a moment later."""

    def __init__(self, rules: Rules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect. Raises OMSSecurityException 1403, httpcore.ConnectError."""
        try:
            addresses = self._rules.check(await self._resolve(host, port))
        except OSError as cause:
            raise httpcore.ConnectError(f"{host} has no address") from cause
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as cause:
                failure = cause
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Poster:
    """Posts.

    Args:
        rules: where to.
        timeout: seconds for one post, from the name's resolution to the answer.
        connections: at once.
        resolve: gives the addresses of a host.
    """

    def __init__(self, rules: Rules, timeout: float, connections: int, resolve: Resolve = resolve) -> None:
        self.rules = rules
        self._timeout = timeout
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=connections,
            keepalive_expiry=30.0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=CheckedNetwork(rules, resolve),
        )

    async def post(self, url: str, fields: list[tuple[str, str]], body: bytes) -> Answer:
        """Post once. Raises OMSRuntimeException: 1403 for a URL or an address that is not allowed, 1410 for none in
        time, 1503 for no answer at all."""
        self.rules.target(url)
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._pool.stream("POST", url, headers=fields, content=body) as response,
            ):
                return await _answer(response)
        except TimeoutError as cause:
            raise error(1410, f"no answer within {self._timeout:g} s") from cause
        except OMSRuntimeException:
            raise
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as cause:
            raise error(1503, f"no answer: {type(cause).__name__}") from cause

    async def close(self) -> None:
        """Hang up."""
        await self._pool.aclose()


async def _answer(response: httpcore.Response) -> Answer:
    found = b""
    async for piece in response.aiter_stream():
        found += piece
        if len(found) >= MAX_ANSWER:
            break
    text = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    retry_after = float(text) if text.isdigit() and len(text) < 6 else None
    return Answer(response.status, found[:MAX_ANSWER], retry_after)
