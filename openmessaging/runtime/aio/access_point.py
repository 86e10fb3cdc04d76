"""The access point: one URL, and everything that is made from it.

Source: runtime interface 1.0.0, "messaging access point"; opening on first use is this project's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from openmessaging.model.access_point import parse
from openmessaging.model.destination import DEFAULT_NAMESPACE, check_name, check_namespace, full_name
from openmessaging.model.errors import error
from openmessaging.model.message import VERSION
from openmessaging.model.spi import Backoff, Capability, GroupConfig
from openmessaging.model.transaction import TransactionCheck
from openmessaging.runtime.aio.lifecycle import Service
from openmessaging.runtime.aio.opening import open_driver
from openmessaging.runtime.aio.primitives import Driver, Lock, current_scope
from openmessaging.runtime.aio.producer import Producer
from openmessaging.runtime.aio.pull import PullConsumer
from openmessaging.runtime.aio.push import PushConsumer
from openmessaging.runtime.aio.resources import ResourceManager
from openmessaging.runtime.aio.router import Function, Router
from openmessaging.runtime.aio.service import ServiceEndpoint
from openmessaging.runtime.aio.stream import StreamingConsumer
from openmessaging.runtime.aio.table import Table
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.prepared import CheckFunction, TransactionStateCheckListener
from openmessaging.runtime.rpc import Request
from openmessaging.runtime.state import ServiceState, not_started
from openmessaging.runtime.wishes import Wishes, wishes_of

DEFAULT_GROUP = "default"
"""The consumer group when neither the call nor the attribute CONSUMER_ID names one; likewise the producer id."""
DEFAULT_TIMEOUT_MS = 30_000
"""The attribute OPERATION_TIMEOUT when it is not given."""


def connect(
    url: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    requires: Iterable[str] = (),
    emulate: Iterable[str] = (),
) -> AccessPoint:
    """The access point of a URL. Nothing is opened until it is entered with `async with` or first used.

    Args:
        url: `oms:embedded://PATH`, `oms:memory:`, or `oms:<driver>://[account@]host[:port],…/<region>[:namespace]`.
        attributes: the standard's (`OPERATION_TIMEOUT` in ms, `CONSUMER_ID`, `ACCOUNT_KEY`) and the driver's own.
        namespace: where bare queue names lie; one in the URL wins.
        requires: names of capabilities (`delay`, `filter`, …): opening a system that lacks one raises.
        emulate: those that may be emulated where the system lacks them: `filter`, `expiry`, `delay`, `dead-letter`.

    Raises OMSRuntimeException 10001 for an illegal URL, 1418 for an invalid namespace or capability.
    """
    return AccessPoint(url, attributes, namespace, wishes_of(requires, emulate))


class _Scope:
    """What belongs to one event loop."""

    def __init__(self) -> None:
        self.opening = Lock()
        self.driver: Driver | None = None
        self.services: list[Service] = []


class AccessPoint:
    """Makes producers, consumers and the resource manager; may be shared freely. Create it with `connect`."""

    def __init__(self, url: str, attributes: Mapping[str, Any] | None, namespace: str, wishes: Wishes) -> None:
        self._wishes = wishes
        self._parsed = parse(url)
        self._attributes = self._parsed.attributes(attributes)
        self.namespace = check_namespace(self._parsed.namespace or namespace)
        """The current namespace; `resource_manager().switch_namespace` changes it."""
        self._scopes: dict[object, _Scope] = {}
        self._stopped = False

    @property
    def version(self) -> str:
        """Version of this implementation."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("openmessaging")
        except PackageNotFoundError:
            return "UnKnown"

    @property
    def spec_version(self) -> str:
        """Version of the standard."""
        return VERSION

    @property
    def attributes(self) -> dict[str, Any]:
        """A copy of the attributes, those of the URL included."""
        return dict(self._attributes)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What can be done with it, by the system or emulated. Raises OMSRuntimeException 1503 before it is opened."""
        return self._opened().capabilities

    @property
    def emulated(self) -> frozenset[Capability]:
        """Which of the capabilities the system lacks and this process emulates. Raises as `capabilities`."""
        return getattr(self._opened(), "emulated", frozenset())

    @property
    def max_body_bytes(self) -> int:
        """Largest body the system takes; no limit is known before it is opened."""
        scope = self._scopes.get(current_scope())
        return scope.driver.max_body_bytes if scope is not None and scope.driver is not None else sys.maxsize

    @property
    def current_state(self) -> ServiceState:
        """Whether it is open."""
        if any(scope.driver is not None for scope in list(self._scopes.values())):
            return ServiceState.STARTED
        return ServiceState.STOPPED if self._stopped else ServiceState.INITIALIZED

    @property
    def operation_timeout(self) -> float:
        """Seconds that calls wait for an answer: the attribute OPERATION_TIMEOUT."""
        value = self._attributes.get("OPERATION_TIMEOUT", DEFAULT_TIMEOUT_MS)
        try:
            seconds = float(value) / 1000
        except (TypeError, ValueError):
            seconds = 0.0
        if not seconds > 0:
            step = "Give a number of milliseconds over 0"
            raise error(1418, f"OPERATION_TIMEOUT: {value!r}", next_step=step, field="OPERATION_TIMEOUT")
        return seconds

    def create_producer(
        self,
        *,
        linger: float = 0.0,
        batch_bytes: int = 1 << 20,
        buffer_bytes: int = 32 << 20,
        timeout: float | None = None,
        compression: str = "none",
        name: str | None = None,
        producer_id: str | None = None,
        transaction_state_check_listener: TransactionStateCheckListener | CheckFunction | None = None,
        transaction_check: TransactionCheck | None = None,
    ) -> Producer:
        """A producer.

        Args:
            linger: seconds that an open batch waits for more; 0: what arrives in the same turn shares a batch.
            batch_bytes: an open batch of this many bytes goes at once.
            buffer_bytes: bytes that may be unsent; `send` waits for room.
            timeout: seconds that a send waits for room, and again for the answer; None: OPERATION_TIMEOUT.
            compression: `none`, `zstd` or `lz4`, per batch.
            name: makes its sends idempotent, over reconnects and restarts: each is stored once. One producer at a time
                has a name; when another one starts with it, this one is refused from then on.
            producer_id: what producers have in common that may be asked about each other's prepared messages; None: the
                attribute PRODUCER_ID, or `default`.
            transaction_state_check_listener: who is asked what became of a prepared message; needed for `prepare`.
            transaction_check: when it is asked.

        Raises OMSRuntimeException 1418 for an unknown compression, an invalid producer id, or times out of range.
        """
        return Producer(
            self,
            linger=linger,
            batch_bytes=batch_bytes,
            buffer_bytes=buffer_bytes,
            timeout=self.operation_timeout if timeout is None else timeout,
            compression=compression,
            producer_id=self.producer_id(producer_id),
            listener=transaction_state_check_listener,
            transaction_check=transaction_check,
            name=None if name is None else check_name(name, "name"),
        )

    def create_pull_consumer(
        self,
        queue: str | Iterable[str] | None = None,
        group: str | None = None,
        *,
        order: Literal["none", "key"] = "none",
        start: str = "earliest",
        invisible_time: float = 30.0,
        backoff: Backoff | None = None,
        broadcast: bool = False,
        update: bool = False,
        filter: str | None = None,
        prefetch: int = 500,
    ) -> PullConsumer:
        """A consumer that asks for messages.

        Args:
            queue: one queue or several to bind; more with `bind_queue`.
            group: the consumer group; None: the attribute CONSUMER_ID, or `default`.
            order: `key`: one message of a key in flight per group, other keys in parallel.
            start: where a new group begins: `earliest`, `latest`, `offset:<n>` or `ts:<ms>`.
            invisible_time: seconds that a received message stays hidden from the rest of its group.
            backoff: when a failed message comes back, and after how many deliveries it is dead.
            broadcast: every consumer gets every message, by a group of its own that ends with it.
            update: whether these settings replace those of an existing group.
            filter: an SQL condition, as `color = 'red' AND weight > 5`: the group gets only what matches. None: the
                condition the group has, if any; a text that is not that of an existing group is an error (1418).
            prefetch: messages held ready for `receive`; 0 or 1: one at a time, so that idle consumers get their share.
        """
        config = GroupConfig(start, order, invisible_time, backoff or Backoff(), filter=filter)
        return PullConsumer(self, Membership(self.group_name(group), config, broadcast, update), queue, prefetch)

    def create_push_consumer(
        self,
        group: str | None = None,
        *,
        order: Literal["none", "key"] = "none",
        start: str = "earliest",
        invisible_time: float = 30.0,
        backoff: Backoff | None = None,
        broadcast: bool = False,
        update: bool = False,
        filter: str | None = None,
        concurrency: int | None = None,
        batch_size: int = 100,
        ack: Literal["after success", "manual"] = "after success",
        max_processing: float = 900.0,
        grace: float = 30.0,
    ) -> PushConsumer:
        """A consumer that calls a listener; bind queues with `bind_queue`. Arguments as `create_pull_consumer`, and:

        Args:
            concurrency: listeners at work at once. None: with `order="key"` 16, else one per partition, whose messages
                then come one at a time and in order. A number gives up the order of partitions (not that of keys).
            batch_size: most messages for one call of a batch listener.
            ack: `after success`: acknowledged when the listener returns, given back when it raises. `manual`: the
                listener acknowledges through its context; a raise still gives back.
            max_processing: seconds that a listener may take; until then its messages stay hidden from others.
            grace: seconds that stopping waits for listeners at work.
        """
        config = GroupConfig(start, order, invisible_time, backoff or Backoff(), filter=filter)
        return PushConsumer(
            self,
            Membership(self.group_name(group), config, broadcast, update),
            concurrency=concurrency or (16 if order == "key" else None),
            batch_size=batch_size,
            auto_ack=ack == "after success",
            max_processing=max_processing,
            grace=grace,
        )

    def create_service(
        self,
        queue: str,
        handler: Callable[[Request], Any],
        *,
        group: str | None = None,
        concurrency: int = 16,
        invisible_time: float = 10.0,
        backoff: Backoff | None = None,
        broadcast: bool = False,
        grace: float = 30.0,
    ) -> ServiceEndpoint:
        """A service: answers the requests that `Producer.request` sends to a queue.

        Args:
            queue: where requests lie.
            handler: called with a `Request`; what it returns is the answer: bytes, a message, or None for an empty one.
                A generator answers with a stream. What it raises arrives as an error: code and text of an
                OMSRuntimeException, else 1500. A function or, for asyncio, also a coroutine function.
            group: services of one group share the requests; each group gets all. None: as in `create_pull_consumer`.
            concurrency: requests handled at once.
            invisible_time: seconds after which a request goes to another service when this one died.
            backoff: how often a request that services died of is tried (3 times), and how long it rests in between.
            broadcast: a group of its own: this service gets every request.
            grace: seconds that stopping waits for handlers at work.

        Raises OMSRuntimeException 1418 for an invalid name or a concurrency below 1.
        """
        if concurrency < 1:
            raise error(1418, f"concurrency: {concurrency!r} is not at least 1", field="concurrency")
        config = GroupConfig("earliest", "none", invisible_time, backoff or Backoff(initial=0.1, max_delivery=3))
        membership = Membership(self.group_name(group), config, broadcast, False)
        return ServiceEndpoint(self, membership, queue, handler, concurrency=concurrency, grace=grace)

    def create_streaming_consumer(self) -> StreamingConsumer:
        """A consumer that walks partitions both ways and leaves groups alone."""
        return StreamingConsumer(self)

    def create_router(
        self, functions: Mapping[str, Function], *, concurrency: int = 1, batch_size: int = 100
    ) -> Router:
        """What runs the routes of the current namespace whose functions it has, while it is started; routes may come
        and go meanwhile. Several, in any processes, share the messages.

        Args:
            functions: by the names that routes call. A function gets a message, which it may change, and returns it,
                another one, bytes (a new body), a list of these, or None (it is dropped). It may be a coroutine
                function for asyncio. What it raises: the message comes again later, or as `Retry` and `Reject` say.
                It may be called again for a message; what it returned is stored once.
            concurrency: calls at work at once, per route; messages of a key come in order in any case.
            batch_size: most messages that are committed together.
        """
        return Router(self, functions, concurrency=concurrency, batch_size=batch_size)

    def table(self, queue: str) -> Table:
        """A queue as a table: of each key the newest message. Raises OMSRuntimeException 1418 for an invalid name."""
        return Table(self, queue)

    def create_consumer(self, queue: str | Iterable[str] | None = None, group: str | None = None) -> PullConsumer:
        """As `create_pull_consumer` (the name of 1.0.0-alpha)."""
        return self.create_pull_consumer(queue, group)

    def resource_manager(self) -> ResourceManager:
        """Namespaces, queues and groups."""
        return ResourceManager(self)

    def message_factory(self) -> Producer:
        """Something with `create_message`: a producer that need not be started."""
        return self.create_producer()

    def full(self, queue: str) -> str:
        """The full name of a queue. Raises OMSRuntimeException 1418 for an invalid one."""
        return full_name(queue, self.namespace)

    def group_name(self, group: str | None) -> str:
        """The consumer group that a call means. Raises OMSRuntimeException 1418 for an invalid name."""
        return check_name(group or self._attributes.get("CONSUMER_ID", DEFAULT_GROUP), "group")

    def producer_id(self, given: str | None) -> str:
        """The producer id that a call means. Raises OMSRuntimeException 1418 for an invalid name."""
        return check_name(given or self._attributes.get("PRODUCER_ID", DEFAULT_GROUP), "producer_id")

    async def startup(self) -> None:
        """Open it now; nothing happens when it is open. Raises OMSRuntimeException 10000 or the driver's own code."""
        self._stopped = False
        self._scopes.setdefault(current_scope(), _Scope())
        await self.get_driver()

    async def shutdown(self) -> None:
        """Stop its producers and consumers of this loop, and close what was opened in it."""
        scope = self._scopes.pop(current_scope(), None)
        if scope is None:
            return
        async with scope.opening:
            self._stopped = not self._scopes
            for service in list(scope.services):
                await service.stop()
            driver, scope.driver = scope.driver, None
            if driver is not None:
                await driver.close()

    async def close(self) -> None:
        """As `shutdown`."""
        await self.shutdown()

    async def __aenter__(self) -> Self:
        await self.startup()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def get_driver(self) -> Driver:
        """The driver, opened on first use. Raises OMSRuntimeException 1503 after `shutdown`."""
        scope = self._scopes.get(current_scope())
        if scope is None:
            if self._stopped:
                raise not_started("access point", ServiceState.STOPPED)
            scope = self._scopes.setdefault(current_scope(), _Scope())
        if scope.driver is None:
            async with scope.opening:
                if scope.driver is None:
                    scope.driver = await open_driver(self._parsed, self._attributes, self._wishes)
        return scope.driver

    def attach(self, service: Service) -> None:
        """Remember a service that has started, to stop it with the access point."""
        scope = self._scopes.get(current_scope())
        if scope is not None:
            scope.services.append(service)

    def detach(self, service: Service) -> None:
        """Forget a service that has stopped."""
        scope = self._scopes.get(current_scope())
        if scope is not None and service in scope.services:
            scope.services.remove(service)

    def _opened(self) -> Driver:
        scope = self._scopes.get(current_scope())
        if scope is None or scope.driver is None:
            raise not_started("access point", self.current_state)
        return scope.driver
