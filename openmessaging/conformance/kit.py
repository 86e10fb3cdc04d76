"""What a case sees: queues of its own, and producers and consumers of the implementation under test."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from openmessaging.conformance.case import Broken, Skip, equal, that
from openmessaging.conformance.protocol import Gone, Implementation, Refusal
from openmessaging.conformance.proxy import Proxy
from openmessaging.conformance.system import System

SOON = 10.0
"""Seconds that something is waited for that must come."""
QUIET = 0.4
"""Seconds after which something is taken not to come."""


def camel(name: str) -> str:
    """`max_messages` as `maxMessages`."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def message(
    queue: str, body: bytes | str = b"", key: str | None = None, properties: dict[str, Any] | None = None, **header: Any
) -> dict[str, Any]:
    """A message as the standard's JSON form; `header`: fields of both headers, by their names in Python."""
    own = {camel(name): value for name, value in header.items()}
    base = {name: own.pop(name) for name in ("qos", "compression", "messageId", "bornTimestamp") if name in own}
    if key is not None:
        own["messageKey"] = key
    data = body.encode() if isinstance(body, str) else body
    parts: dict[str, Any] = {
        "version": "1.0.0",
        "header": {"destination": queue, **base},
        "extensionHeader": own,
        "properties": properties or {},
    }
    if data:
        parts["data"] = base64.b64encode(data).decode()
    return {"message": parts}


class Got:
    """A message that came back."""

    def __init__(self, document: dict[str, Any], receipt: str = "") -> None:
        self.document = document
        self.receipt = receipt
        self._parts = document["message"]

    @property
    def body(self) -> bytes:
        """The body."""
        return base64.b64decode(self._parts.get("data", ""))

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def properties(self) -> dict[str, Any]:
        """Properties, as JSON values of the standard's form."""
        found: dict[str, Any] = self._parts.get("properties", {})
        return found

    def header(self, name: str) -> Any:
        """A field of either header by its standard name; None when unset."""
        found = self._parts.get("header", {}).get(name)
        return self._parts.get("extensionHeader", {}).get(name) if found is None else found

    @property
    def id(self) -> str:
        """The message id."""
        return str(self.header("messageId"))

    @property
    def count(self) -> int:
        """Which delivery it is."""
        return int(self.header("deliveryCount") or 0)


class Producer:
    """A producer of the implementation."""

    def __init__(self, kit: Kit, handle: str) -> None:
        self.handle = handle
        self._kit = kit

    async def send(self, queue: str, body: bytes | str = b"x", **parts: Any) -> dict[str, Any]:
        """Send one message; its result."""
        answer = await self._kit.call("send", producer=self.handle, message=message(queue, body, **parts))
        result: dict[str, Any] = answer["results"][0]
        return result

    async def send_many(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send a batch; its results."""
        answer = await self._kit.call("send", producer=self.handle, messages=list(messages))
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def do(self, operation: str, **arguments: Any) -> Any:
        """An operation of producers."""
        return await self._kit.call(operation, producer=self.handle, **arguments)


class Pull:
    """A pull consumer of the implementation."""

    def __init__(self, kit: Kit, handle: str) -> None:
        self.handle = handle
        self._kit = kit

    async def one(self, timeout: float = SOON) -> Got:
        """The next message, which must come."""
        found = await self.receive(timeout)
        if found is None:
            raise Broken(f"no message came within {timeout:g} s")
        return found

    async def receive(self, timeout: float) -> Got | None:
        """The next message, or None."""
        found = await self._kit.call("receive", consumer=self.handle, timeout=timeout)
        return Got(found[0]["message"], found[0]["receipt"]) if found else None

    async def batch(self, maximum: int = 100, timeout: float = SOON) -> list[Got]:
        """A batch receive."""
        found = await self._kit.call("receive", consumer=self.handle, max_messages=maximum, timeout=timeout)
        return [Got(each["message"], each["receipt"]) for each in found]

    async def take(self, count: int, timeout: float = SOON, ack: bool = True) -> list[Got]:
        """So many messages, which must come, acknowledged as they come."""
        taken: list[Got] = []
        deadline = asyncio.get_running_loop().time() + timeout
        while len(taken) < count:
            left = deadline - asyncio.get_running_loop().time()
            some = await self.batch(count - len(taken), max(left, 0.01))
            if not some and left <= 0:
                raise Broken(f"{len(taken)} of {count} messages came within {timeout:g} s")
            taken += some
            if ack and some:
                await self.ack(*some)
        return taken

    async def nothing(self, seconds: float = QUIET) -> None:
        """Nothing may come."""
        found = await self.receive(seconds)
        if found is not None:
            raise Broken(f"{found.text!r} (delivery {found.count}) came, and nothing should")

    async def ack(self, *messages: Got, as_text: bool = False) -> None:
        """Acknowledge."""
        receipts = [each.receipt for each in messages]
        await self._kit.call("ack", consumer=self.handle, receipts=receipts, as_text=as_text)

    async def nack(self, which: Got, delay: float | None = 0.0, reason: str = "", as_text: bool = False) -> None:
        """Give back as failed."""
        await self._kit.call(
            "nack", consumer=self.handle, receipt=which.receipt, delay=delay, reason=reason, as_text=as_text
        )

    async def do(self, operation: str, **arguments: Any) -> Any:
        """An operation of consumers."""
        return await self._kit.call(operation, consumer=self.handle, **arguments)

    async def close(self) -> None:
        """Stop and forget it."""
        await self._kit.call("release", handle=self.handle)


class Push:
    """A push consumer of the implementation with one listener."""

    def __init__(self, kit: Kit, handle: str, listener: str) -> None:
        self.handle = handle
        self.listener = listener
        self._kit = kit

    async def calls(self, count: int, timeout: float = SOON) -> list[list[Got]]:
        """The calls of the listener, once so many messages came."""
        found = await self._kit.call("deliveries", listener=self.listener, count=count, timeout=timeout)
        return [[Got(each["message"], each["receipt"]) for each in call] for call in found["calls"]]

    async def messages(self, count: int, timeout: float = SOON) -> list[Got]:
        """What the listener got; so many must come."""
        got = [each for call in await self.calls(count, timeout) for each in call]
        that(len(got) >= count, f"the listener got {len(got)} of {count} messages within {timeout:g} s")
        return got

    async def most(self) -> int:
        """Most calls that were at work at once."""
        return int((await self._kit.call("deliveries", listener=self.listener, count=0, timeout=0))["most"])

    async def do(self, operation: str, **arguments: Any) -> Any:
        """An operation of consumers."""
        return await self._kit.call(operation, consumer=self.handle, **arguments)


class Kit:
    """One case's view. `system`: what the kit can do to the system under test; `point`: an open access point."""

    def __init__(self, implementation: Implementation, system: System, point: dict[str, Any], prefix: str) -> None:
        self.implementation = implementation
        self.system = system
        self.facts = point
        self.point: str = point["point"]
        self._prefix = prefix
        self._handles: list[tuple[Implementation, str]] = []
        self._proxies: list[Proxy] = []

    @property
    def declared(self) -> frozenset[str]:
        """Capabilities declared by the implementation, emulations included."""
        return frozenset(self.facts["capabilities"]) | frozenset(self.facts.get("emulated", ()))

    def need_namespaces(self) -> None:
        """Raises Skip where namespaces are not made and deleted, so that none can be missing."""
        if "namespaces" not in self.declared:
            raise Skip("namespaces come into being by themselves here, or there is one only")

    def queue(self, label: str = "q") -> str:
        """The name of a queue of this case."""
        return f"{self._prefix}-{label}"

    def group(self, label: str = "g") -> str:
        """The name of a consumer group of this case."""
        return f"{self._prefix}-{label}"

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Perform an operation; arguments named in Python's way, None left out. Raises Refusal."""
        given = {camel(name): value for name, value in arguments.items() if value is not None}
        return await self.implementation.perform(operation, given)

    async def handle(self, operation: str, **arguments: Any) -> str:
        """Perform an operation that makes something, which goes with the case."""
        made = await self.call(operation, **arguments)
        handle: str = made["point"] if isinstance(made, dict) else made
        self._handles.append((self.implementation, handle))
        return handle

    async def do(self, operation: str, **arguments: Any) -> Any:
        """An operation of the access point."""
        return await self.call(operation, point=self.point, **arguments)

    async def connect(self, **arguments: Any) -> str:
        """Another access point, of the system under test unless `url` says another."""
        return await self.handle("connect", **arguments)

    async def create(self, queue: str, partitions: int = 1, **config: Any) -> str:
        """A queue that is created by the resource manager."""
        await self.do("createQueue", queue=queue, partitions=partitions, config=config)
        return queue

    async def producer(self, point: str | None = None, **options: Any) -> Producer:
        """A started producer."""
        return Producer(self, await self.handle("createProducer", point=point or self.point, **options))

    async def pull(
        self, queue: str | Sequence[str] = (), group: str | None = None, point: str | None = None, **options: Any
    ) -> Pull:
        """A started pull consumer."""
        queues = [queue] if isinstance(queue, str) else list(queue)
        named = {"queues": queues, "group": group or self.group(), **options}
        return Pull(self, await self.handle("createPullConsumer", point=point or self.point, **named))

    async def push(
        self,
        queue: str,
        listener: dict[str, Any] | None = None,
        group: str | None = None,
        batch: bool = False,
        point: str | None = None,
        **options: Any,
    ) -> Push:
        """A started push consumer with a listener."""
        where = point or self.point
        handle = await self.handle("createPushConsumer", point=where, group=group or self.group(), **options)
        bound = await self.call("bindListener", consumer=handle, queues=[queue], listener=listener or {}, batch=batch)
        return Push(self, handle, bound)

    async def service(self, queue: str, behaviour: str, **options: Any) -> str:
        """A started service."""
        named = {"group": self.group("service"), **options}
        return await self.handle("createService", point=self.point, queue=queue, behaviour=behaviour, **named)

    @asynccontextmanager
    async def refused(self, code: int | None = None, kind: str | None = None, what: str = "it") -> AsyncIterator[None]:
        """The block must be refused, with this code and class."""
        try:
            yield
        except Refusal as refusal:
            if refusal.unsupported and kind != refusal.kind:
                raise
            if code is not None:
                equal(refusal.code, code, f"code of the error ({refusal.reason})")
            if kind is not None:
                equal(refusal.kind, kind, f"class of the error ({refusal.reason})")
            return
        raise Broken(f"{what} was not refused")

    @asynccontextmanager
    async def child(self) -> AsyncIterator[Any]:
        """Another process of the implementation under test on the same system, that may be killed. Raises Skip."""
        child = await self.system.child()
        if child is None:
            raise Skip("this system lives in one process")
        try:
            yield child
        finally:
            child.kill()
            await child.close()

    async def proxied(self, **attributes: Any) -> tuple[str, Proxy]:
        """An access point whose connections can be cut. Raises Skip where there are none, or none that can."""
        found = await self.system.proxied()
        if found is None:
            raise Skip("there is no connection that could be cut")
        url, proxy = found
        self._proxies.append(proxy)
        point = await self.connect(url=url, attributes=attributes)
        if not proxy.connections:
            raise Skip("the system's clients go to the addresses that it tells them, past the kit's proxy")
        return point, proxy

    async def close(self) -> None:
        """Let go of what the case made; connections stand until then."""
        for proxy in self._proxies:
            proxy.accept()
            proxy.flow()
        for implementation, handle in reversed(self._handles):
            with suppress(Refusal, Gone):
                await implementation.perform("release", {"handle": handle})
        for proxy in self._proxies:
            await proxy.close()
