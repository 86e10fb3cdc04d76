"""Opening connections to a server: one host after the other, over TCP or TLS."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from openmessaging.drivers.oms.channel import Channel
from openmessaging.drivers.oms.driver import OmsDriver
from openmessaging.drivers.oms.link import Link, hello
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException, error
from openmessaging.transport.proof import check_cleartext, key_of, tls_of
from openmessaging.wire import Hello

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to one host."""
Dial = Callable[[Callable[[], Link], Hello, str, int], Awaitable[Link]]
"""Connects to a host and port and opens the link. Raises OSError, and what the server refuses with."""


class OmsFactory:
    """Opens drivers on servers."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> OmsDriver:
        """Connect. `attributes`: see `openmessaging/transport/proof.py`.

        Raises OMSRuntimeException 10000 when no host can be reached, 1401 when the server does not know the account,
        1418 for files of TLS that cannot be read, and for a key that would go to another machine in the clear.
        """
        tls = tls_of(attributes)
        check_cleartext([host for host, _ in access_point.hosts], tls, attributes)

        async def dial(make: Callable[[], Link], first: Hello, host: str, port: int) -> Link:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, link = await loop.create_connection(make, host, port, ssl=tls)
            await link.open(first)
            return link

        return OmsDriver(await connect(access_point, attributes, dial))


async def connect(access_point: AccessPoint, attributes: dict[str, Any], dial: Dial) -> Channel:
    """A channel to the hosts of an access point. Raises as `OmsFactory.open`."""
    first = hello(
        f"{socket.gethostname()}:{os.getpid()}",
        access_point.account_id or "",
        region=access_point.region or "",
    )
    hosts = _Hosts(access_point.addresses, first, key_of(attributes), dial)
    channel = Channel(hosts, random.SystemRandom())
    try:
        await channel.open()
    except OSError as cause:
        step = "Start it: oms serve"
        raise error(10000, f"{access_point.url}: {cause or 'no answer'}", next_step=step) from cause
    return channel


class _Hosts:
    """Connects to the hosts in turn, beginning with the one that worked last."""

    def __init__(self, addresses: list[tuple[str, int]], first: Hello, key: Callable[[], str], dial: Dial) -> None:
        self._addresses = list(addresses)
        self._first = first
        self._key = key
        self._dial = dial

    async def __call__(self, make: Callable[[], Link]) -> Link:
        self._first.key = self._key()  # it may have been rotated
        failure: OSError | OMSRuntimeException = ConnectionError("no host was given")
        for _ in range(len(self._addresses)):
            try:
                return await self._dial(make, self._first, *self._addresses[0])
            except OMSSecurityException:
                raise  # the others know the same users
            except (OSError, OMSRuntimeException) as cause:  # TimeoutError is an OSError
                failure = cause
                self._addresses.append(self._addresses.pop(0))
        raise failure
