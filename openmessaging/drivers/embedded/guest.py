"""Reaching a store that another process holds, and taking it over when that process is gone."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable

from openmessaging.drivers.embedded.door import Address, own_name, read_door
from openmessaging.drivers.embedded.proof import prove_as_guest
from openmessaging.drivers.oms.channel import Channel
from openmessaging.drivers.oms.driver import OmsDriver
from openmessaging.drivers.oms.link import Link, hello
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.lock import holder

LONGEST_PAUSE = 0.05
"""Seconds between attempts to reach the next holder, or to be it."""
OPENING_PATIENCE = 10.0
"""Seconds for a holder to answer when a store is opened: it may be opening the store itself."""
FAR_PATIENCE = 1.0
"""The same when the holder seems to be on another machine; a container that shares the directory seems so too."""
CONNECT_TIMEOUT = 5.0

TakeOver = Callable[[], Awaitable[bool]]
"""Opens the store in this process, if nobody holds it; whether this process holds it now."""


class GuestDriver(OmsDriver):
    """The driver of a process that does not hold the store, or took it over."""

    def __init__(self, channel: Channel, release: Callable[[], Awaitable[None]]) -> None:
        super().__init__(channel)
        self._release: Callable[[], Awaitable[None]] | None = release

    async def close(self) -> None:
        """Hang up; a store that this process took over is closed with its last user."""
        await super().close()
        release, self._release = self._release, None
        if release is not None:
            await release()


async def open_guest(directory: str, take_over: TakeOver, release: Callable[[], Awaitable[None]]) -> GuestDriver:
    """Reach the holder of a store.

    Raises OMSRuntimeException 1503, with process and host of the holder, when it does not answer or is on another
    machine; 1101 when it speaks another version of the protocol; as `open_store` when this process came to open it.
    """
    loop = asyncio.get_running_loop()
    channel = Channel(_Way(directory, take_over), random.SystemRandom(), LONGEST_PAUSE)
    since = loop.time()
    while True:
        try:
            await channel.open()
        except OSError as cause:
            failure: BaseException = cause
        except OMSRuntimeException as cause:
            if cause.code == 1101:
                raise error(1101, f"{_who(directory)} has {directory} open: {cause.reason}") from cause
            if cause.code != 1410:
                raise
            failure = cause
        else:
            return GuestDriver(channel, release)
        far = (holder(directory) or {}).get("host") not in (socket.gethostname(), None)
        if loop.time() - since >= (FAR_PATIENCE if far else OPENING_PATIENCE):
            raise _unreachable(directory, far) from failure
        await asyncio.sleep(LONGEST_PAUSE)


class _Way:
    """Connects to the holder; where there is none, to this process, which becomes it."""

    def __init__(self, directory: str, take_over: TakeOver) -> None:
        self._directory = directory
        self._take_over = take_over
        self._hello = hello(own_name())

    async def __call__(self, make: Callable[[], Link]) -> Link:
        try:
            return await self._connect(make)
        except OSError:
            if not await self._take_over():
                raise
        return await self._connect(make)

    async def _connect(self, make: Callable[[], Link]) -> Link:
        address = read_door(self._directory)
        if address is None:
            raise ConnectionRefusedError(f"nobody serves {self._directory}")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if address.unix:
                _, link = await loop.create_unix_connection(make, address.socket_path(self._directory))
            else:
                link = await _connect_tcp(address, make)
        await link.open(self._hello)
        return link


async def _connect_tcp(address: Address, make: Callable[[], Link]) -> Link:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", address.port))
        await prove_as_guest(connection, address.secret)
        _, link = await loop.create_connection(make, sock=connection)
    except BaseException:
        connection.close()
        raise
    return link


def _who(directory: str) -> str:
    said = holder(directory) or {}
    return f"process {said.get('pid', '?')} on host {said.get('host', '?')}"


def _unreachable(directory: str, far: bool) -> OMSRuntimeException:
    if far:
        text = f"the store {directory} is in use by {_who(directory)}, which cannot be reached from this machine"
        step = "Run `oms serve --store DIR` there, and open oms:oms://HOST:PORT/REGION here"
    else:
        text = f"the store {directory} is in use by {_who(directory)}, which does not answer"
        step = "See whether it is stopped or busy, and end it if need be: then the store is free"
    return error(1503, text, next_step=step)
