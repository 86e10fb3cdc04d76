"""What requests have in common although each stands for itself: packers per client, and holds on consumer groups.

A hold is kept while requests for the group come, and let go when none has come for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from openmessaging.model.batch import encode_shared
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.spi import GroupConfig, Subscription, SubscriptionSpec
from openmessaging.runtime.aio.access_point import AccessPoint
from openmessaging.runtime.aio.mailboxes import mailboxes_of
from openmessaging.runtime.aio.primitives import call
from openmessaging.runtime.aio.requests import Requester
from openmessaging.runtime.outgoing import Packer
from openmessaging.server.requests import Driver

_PACKERS = 1000


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
        super().__init__("oms:memory:http", None, namespace)
        self._driver = driver

    async def get_driver(self) -> Driver:
        """The request's driver."""
        return self._driver


class _Hold(msgspec.Struct, eq=False):
    subscription: Subscription
    driver: Driver
    used: float


class _Asking(msgspec.Struct, eq=False):
    requester: Requester
    driver: Driver


class _Serving(msgspec.Struct, eq=False):
    driver: Driver
    mailbox: str
    until: float


class Sharing:
    """Args:
    clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float], idle: float = 60.0) -> None:
        self._clock = clock
        self._idle = idle
        self._closing: set[asyncio.Future[None]] = set()
        self._packers: OrderedDict[str, ClientPacker] = OrderedDict()
        self._holds: dict[tuple[object, str, str], _Hold] = {}
        self._requesters: dict[object, _Asking] = {}
        self._services: dict[tuple[object, str, str], _Serving] = {}

    def packer(self, client: str, driver: Driver) -> ClientPacker:
        """The packer for what a client sends."""
        packer = self._packers.get(client)
        if packer is None:
            packer = self._packers[client] = ClientPacker(client, driver)
            if len(self._packers) > _PACKERS:
                self._packers.popitem(last=False)
        return packer

    async def subscription(
        self, driver: Driver, owner: object, queue: str, group: str, config: GroupConfig | None
    ) -> Subscription:
        """A hold on a group, which is made as `config` says when it is missing; without `config` it must be there.

        Args:
            driver: what the owner may use.
            owner: whose hold it is.
            queue: full name.
            group: name.
            config: settings of a new group.

        Raises OMSDestinationException 1404.
        """
        key = (owner, queue, group)
        hold = self._holds.get(key)
        if hold is None or hold.driver is not driver:
            if config is None:
                config = (await driver.describe_group(queue, group)).config
            subscription = await driver.subscribe(SubscriptionSpec(queue, group, config))
            hold = self._holds[key] = _Hold(subscription, driver, 0.0)
        hold.used = self._clock()
        return hold.subscription

    def forget(self, queue: str, group: str | None = None) -> None:
        """Let go of what is held on a queue or group that is gone."""
        for key in [key for key in self._holds if key[1] == queue and group in (None, key[2])]:
            del self._holds[key]

    async def requester(self, driver: Driver, owner: object) -> Requester:
        """What an owner asks services with: answers to all its requests come to one mailbox."""
        asking = self._requesters.get(owner)
        if asking is None or asking.driver is not driver:
            asking = _Asking(await Requester(driver, DEFAULT_NAMESPACE, "none").open(), driver)
            previous, self._requesters[owner] = self._requesters.get(owner), asking
            if previous is not None:
                await previous.requester.close()
        return asking.requester

    async def serve(self, driver: Driver, owner: object, queue: str, group: str) -> None:
        """Let a group count as a service of its queue for a while from now. Raises OMSDestinationException 1404."""
        key = (owner, queue, group)
        until = self._clock() + self._idle
        serving = self._services.get(key)
        if serving is None:
            await driver.describe_group(queue, group)
            mailbox = await call(mailboxes_of(driver).open_mailbox, lambda _: None, (queue, group))
            serving = self._services[key] = _Serving(driver, mailbox, until)
        serving.until = until

    def sweep(self) -> None:
        """Let go of what nobody has asked for."""
        late = self._clock() - self._idle
        for key in [key for key, serving in self._services.items() if serving.until < self._clock()]:
            serving = self._services.pop(key)
            closing = mailboxes_of(serving.driver).close_mailbox(serving.mailbox)
            if closing is not None:
                self._closing.add(task := asyncio.ensure_future(closing))
                task.add_done_callback(self._closing.discard)
        for key in [key for key, hold in self._holds.items() if hold.used < late]:
            del self._holds[key]

    async def close(self) -> None:
        """Let go of everything."""
        self._holds.clear()
        for asking in self._requesters.values():
            await asking.requester.close()
        self._requesters.clear()
        for serving in self._services.values():
            await call(mailboxes_of(serving.driver).close_mailbox, serving.mailbox)
        self._services.clear()
