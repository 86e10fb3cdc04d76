"""What requests have in common although each stands for itself: packers per client, and holds on consumer groups.

A hold is kept while requests for the group come, and let go when none has come for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from openmessaging.model.batch import encode_shared
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.spi import GroupConfig, Subscription, SubscriptionSpec
from openmessaging.runtime.aio.access_point import AccessPoint
from openmessaging.runtime.aio.mailboxes import mailboxes_of
from openmessaging.runtime.aio.primitives import call
from openmessaging.runtime.aio.requests import Requester
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.wishes import NOTHING
from openmessaging.server.served import Driver

_PACKERS = 1000
_LONGEST_CALL = 60.0
"""Seconds that a request to a service may take."""


class ClientPacker(Packer):
    """Packs what one client sends: its address is the born host."""

    def __init__(self, client: str, driver: Driver) -> None:
        super().__init__(DEFAULT_NAMESPACE, "none")
        self.born_host = client or "localhost"
        self._shared = encode_shared({"bornHost": self.born_host})
        self.capabilities = driver.capabilities


class Face(AccessPoint):
    """The runtime's interface on the driver of a request; nothing is opened."""

    def __init__(self, driver: Driver, namespace: str) -> None:
        super().__init__("oms:memory:http", None, namespace, NOTHING)
        self._driver = driver

    async def get_driver(self) -> Driver:
        """The request's driver."""
        return self._driver


class _Hold(msgspec.Struct, eq=False):
    subscription: Subscription
    used: float


class _Asking(msgspec.Struct, eq=False):
    requester: Requester
    used: float


class _Serving(msgspec.Struct, eq=False):
    mailbox: str
    used: float


class Sharing:
    """Held per driver: a client's is the one that is guarded for its identity.

    Args:
        clock: seconds, monotonic.
        idle: seconds after which what was not used is let go.
    """

    def __init__(self, clock: Callable[[], float], idle: float = 60.0) -> None:
        self._clock = clock
        self._idle = idle
        self._ending: set[asyncio.Task[None]] = set()
        self._packers: OrderedDict[str, ClientPacker] = OrderedDict()
        self._holds: dict[tuple[Driver, str, str], _Hold] = {}
        self._requesters: dict[Driver, _Asking] = {}
        self._services: dict[tuple[Driver, str, str], _Serving] = {}

    def packer(self, client: str, driver: Driver) -> ClientPacker:
        """The packer for what a client sends."""
        packer = self._packers.get(client)
        if packer is None:
            packer = self._packers[client] = ClientPacker(client, driver)
            if len(self._packers) > _PACKERS:
                self._packers.popitem(last=False)
        return packer

    async def subscription(self, driver: Driver, queue: str, group: str, config: GroupConfig | None) -> Subscription:
        """A hold on a group of a queue (full name), which is made as `config` says when it is missing; without
        `config` it must be there. Raises OMSDestinationException 1404."""
        key = (driver, queue, group)
        hold = self._holds.get(key)
        if hold is None:
            if config is None:
                config = (await driver.describe_group(queue, group)).config
            hold = self._holds[key] = _Hold(await driver.subscribe(SubscriptionSpec(queue, group, config)), 0.0)
        hold.used = self._clock()
        return hold.subscription

    def forget(self, queue: str, group: str | None = None) -> None:
        """Let go of what is held on a queue or group that is gone."""
        for key in [key for key in self._holds if key[1] == queue and group in (None, key[2])]:
            del self._holds[key]

    async def requester(self, driver: Driver) -> Requester:
        """What a client asks services with: answers to all its requests come to one mailbox."""
        asking = self._requesters.get(driver)
        if asking is None:
            opened = await Requester(driver, DEFAULT_NAMESPACE, "none").open()
            asking = self._requesters.setdefault(driver, _Asking(opened, 0.0))
            if asking.requester is not opened:
                await opened.close()
        asking.used = self._clock()
        return asking.requester

    async def serve(self, driver: Driver, queue: str, group: str) -> None:
        """Let a group count as a service of its queue for a while from now. Raises OMSDestinationException 1404."""
        key = (driver, queue, group)
        serving = self._services.get(key)
        if serving is None:
            await driver.describe_group(queue, group)
            mailbox = await call(mailboxes_of(driver).open_mailbox, lambda _: None, (queue, group))
            serving = self._services[key] = _Serving(mailbox, 0.0)
        serving.used = self._clock()

    def sweep(self) -> None:
        """Let go of what nobody has asked for."""
        late = self._clock() - self._idle
        for key in [key for key, hold in self._holds.items() if hold.used < late]:
            del self._holds[key]
        for driver in [each for each, asking in self._requesters.items() if asking.used < late - _LONGEST_CALL]:
            self._end(self._requesters.pop(driver).requester.close())
        for place in [key for key, serving in self._services.items() if serving.used < late]:
            self._end(call(mailboxes_of(place[0]).close_mailbox, self._services.pop(place).mailbox))

    def _end(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Let go of everything."""
        self._idle = float("-inf")
        self._holds.clear()
        self.sweep()
        if self._ending:
            await asyncio.wait(set(self._ending))
