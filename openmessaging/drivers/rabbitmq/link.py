"""The connection to RabbitMQ: made when it is needed, and again when it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiormq
import msgspec
from aiormq.channel import Channel
from yarl import URL

from openmessaging.drivers.partial import closed
from openmessaging.drivers.rabbitmq.failures import LOST, is_refusal, lived, refused, translated
from openmessaging.model.errors import OMSRuntimeException, error

logging.getLogger("aiormq").addHandler(logging.NullHandler())
CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to one host."""
RECONNECT_WITHIN = 30.0
"""Seconds for which a call goes on trying to connect again."""
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.5)
_HEARTBEAT = 10
T = TypeVar("T")


class Place(msgspec.Struct, frozen=True):
    """Where RabbitMQ is and who we are there."""

    addresses: list[tuple[str, int]]
    user: str
    key: Callable[[], str]
    tls: Any
    vhost: str


class Link:
    """One connection at a time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connection: Any = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Connect. Raises OMSRuntimeException 10000 when no host can be reached, 1401 for an account it refuses."""
        try:
            self._connection = await self._dial()
        except OMSRuntimeException:
            raise
        except Exception as cause:
            hosts = ", ".join(f"{host}:{port}" for host, port in self._place.addresses)
            step = "Start it, and check host, port and vhost"
            reason = f"RabbitMQ at {hosts}, vhost {self._place.vhost}: {cause or 'no answer'}"
            raise error(10000, reason, next_step=step) from cause

    async def connection(self, within: float = RECONNECT_WITHIN) -> Any:
        """The connection, made again if it was lost. Raises OMSRuntimeException 1503 when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        attempt = 0
        async with self._lock:
            while self._connection is None or not self._connection.is_opened:
                if self._closed:
                    raise closed()
                try:
                    self._connection = await self._dial()
                except OMSRuntimeException:
                    raise
                except Exception as failure:
                    pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
                    if loop.time() + pause > deadline:
                        raise translated(failure, "RabbitMQ cannot be reached") from failure
                    attempt += 1
                    await asyncio.sleep(pause)
            return self._connection

    async def _dial(self) -> Any:
        place = self._place
        failure: BaseException = ConnectionError("no host was given")
        for _ in range(len(place.addresses)):
            host, port = place.addresses[0]
            url = URL.build(
                scheme="amqps" if place.tls else "amqp",
                user=place.user,
                password=place.key(),
                host=host,
                port=port,
                path="/" + place.vhost.replace("%", "%25").replace("/", "%2F"),
                query={"heartbeat": str(_HEARTBEAT), "name": "openmessaging"},
                encoded=False,
            )
            connection = aiormq.Connection(url, context=place.tls)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await connection.connect()
            except Exception as cause:
                if is_refusal(cause):
                    raise refused(place.user) from cause
                failure = cause
                place.addresses.append(place.addresses.pop(0))
            else:
                return connection
        raise failure

    async def channel(self, confirms: bool = False, within: float = RECONNECT_WITHIN) -> Channel:
        """A channel of its own. Raises as `connection`."""
        while True:
            connection = await self.connection(within)
            try:
                made: Channel = await lived(connection, connection.channel(publisher_confirms=confirms))
            except LOST:
                if connection.is_opened:
                    raise
            else:
                return made

    @asynccontextmanager
    async def _brief(self) -> AsyncIterator[Channel]:
        channel = await self.channel()
        try:
            yield channel
        finally:
            with suppress(Exception):
                await channel.close()

    async def call(self, what: str, act: Callable[[Channel], Coroutine[Any, Any, T]]) -> T:
        """Do something on a channel that is used once, and again if the connection was lost meanwhile: a failed
        declaration ends its channel. Raises what `translated` makes of it."""
        for last in (False, False, True):
            try:
                async with self._brief() as channel:
                    return await lived(channel, act(channel))
            except Exception as failure:
                if last or not isinstance(failure, LOST):
                    raise translated(failure, what) from failure
        raise AssertionError

    async def close(self) -> None:
        """Hang up."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await connection.close()
