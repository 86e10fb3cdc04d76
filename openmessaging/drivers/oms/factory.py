"""Opening connections to a server: one host after the other, over TCP, TLS or a Unix socket."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from collections.abc import Callable
from typing import Any

from openmessaging.drivers.oms.channel import Channel
from openmessaging.drivers.oms.driver import OmsDriver
from openmessaging.drivers.oms.link import Link, hello
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import error

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to one host."""


class OmsFactory:
    """Opens drivers on servers."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> OmsDriver:
        """Connect. `attributes`: `ACCOUNT_KEY` is the account's key or token; `TLS` is True or an `ssl.SSLContext`.

        Raises OMSRuntimeException 10000 when no host can be reached, 1401 when the server does not know the account.
        """
        first = hello(
            f"{socket.gethostname()}:{os.getpid()}",
            access_point.account_id or "",
            str(attributes.get("ACCOUNT_KEY", "")),
            access_point.region or "",
        )
        hosts = _Hosts(access_point.addresses, _tls(attributes.get("TLS")))
        channel = Channel(hosts, first, random.SystemRandom())
        try:
            await channel.open()
        except OSError as cause:
            raise error(10000, f"{access_point.url}: {cause}", next_step="Start it: oms serve") from cause
        return OmsDriver(channel)


class _Hosts:
    """Connects to the hosts in turn, beginning with the one that worked last."""

    def __init__(self, addresses: list[tuple[str, int]], tls: ssl.SSLContext | None) -> None:
        self._addresses = list(addresses)
        self._tls = tls

    async def __call__(self, make: Callable[[], Link]) -> Link:
        loop = asyncio.get_running_loop()
        failure: OSError = ConnectionError("no host was given")
        for _ in range(len(self._addresses)):
            host, port = self._addresses[0]
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    _, link = await loop.create_connection(make, host, port, ssl=self._tls)
            except OSError as cause:  # TimeoutError is one
                failure = cause
                self._addresses.append(self._addresses.pop(0))
            else:
                return link
        raise failure


def _tls(given: Any) -> ssl.SSLContext | None:
    if not given:
        return None
    return given if isinstance(given, ssl.SSLContext) else ssl.create_default_context()
