"""What surrounds an implementation under test: the system it speaks to, and what the kit can do to that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from openmessaging.conformance.adapter.whole import Direct
from openmessaging.conformance.child import Child
from openmessaging.conformance.protocol import Implementation
from openmessaging.conformance.proxy import Proxy
from openmessaging.model.access_point import parse


class Secured(msgspec.Struct, frozen=True):
    """A node that knows its users."""

    url: str
    """With an account that may send and receive below its own prefix alone."""
    account_key: str
    queue: str
    """Where the account may send and receive."""


class System:
    """A system that somebody else runs, reached by its URL: it can be used, and its connection cut.

    Args:
        url: the access point's URL.
        name: as the report shows it.
        attributes: of the access point.
        adapter: the command of an adapter in another language; None: this library, in this process.
    """

    restarts = False
    """Whether `restart` works."""

    def __init__(
        self,
        url: str,
        name: str | None = None,
        attributes: dict[str, Any] | None = None,
        adapter: Sequence[str] | None = None,
    ) -> None:
        self.name = name or url
        self._url = url
        self._attributes = attributes or {}
        self._adapter = adapter
        self._proxy: Proxy | None = None

    @property
    def url(self) -> str:
        """The access point's URL."""
        return self._url

    async def start(self) -> None:
        """Be there. Raises `openmessaging.testing.servers.Missing` for a system that this machine does not have."""

    async def stop(self) -> None:
        """Go."""

    async def restart(self) -> None:
        """Be killed, and start again on the same data."""
        raise NotImplementedError

    async def secured(self) -> Secured | None:
        """A node of this system that knows users; None where the kit cannot have one."""
        return None

    async def implementation(self) -> Implementation:
        """The implementation under test."""
        if self._adapter is not None:
            return await Child.start([*self._adapter, self.url])
        return Direct(self.url, self._attributes)

    async def child(self) -> Child | None:
        """An implementation in a process of its own; None for a system that lives within a process."""
        if parse(self.url).driver == "memory":
            return None
        if self._adapter is not None:
            return await Child.start([*self._adapter, self.url])
        package = str(Path(__file__).parent.parent.parent)
        attributes = msgspec.json.encode(self._attributes).decode()
        command = [sys.executable, "-m", "openmessaging.conformance.adapter", self.url, attributes]
        return await Child.start(command, {"PYTHONPATH": package})

    async def proxied(self) -> tuple[str, Proxy] | None:
        """A URL that leads to the system through connections that can be cut; None where there is no connection."""
        point = parse(self.url)
        if not point.hosts:
            return None
        host, port = point.addresses[0]
        proxy = await Proxy.start(host, port)
        account = f"{point.account_id}@" if point.account_id else ""
        return f"oms:{point.driver}://{account}127.0.0.1:{proxy.port}/{point.region or 'local'}", proxy
