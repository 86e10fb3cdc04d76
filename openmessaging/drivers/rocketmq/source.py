"""A consumer group's side of a subscription: messages popped from a proxy, each with a handle to settle it by."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.rocketmq.codec import from_native
from openmessaging.drivers.rocketmq.proxy import CALL_TIMEOUT, NO_MESSAGE, Lost, Proxy, Refused, check

LONGEST_POLL = 5.0
"""Seconds of one long poll."""
AT_ONCE = 32
"""Messages that a broker hands out at once."""
SHORTEST_LEASE = 10.0
"""Seconds that a proxy wants messages to be hidden for at least."""
_PAUSE = 0.5
_GONE = frozenset((40010, 40011, 40012))
"""The handle is over: another has the message, or it is settled."""


class Handle(msgspec.Struct, eq=False):
    """By what a message is settled; it changes when its time does."""

    message_id: str
    text: str


class RocketmqSource:
    """What `ForeignSubscription` stands on."""

    def __init__(self, proxy: Proxy, topic: str, group: str, queue: Any, invisible_time: float) -> None:
        self._proxy = proxy
        self._topic = proxy.types.Resource(name=topic)
        self._group = proxy.types.Resource(name=group)
        self._queue = queue
        self._invisible_time = invisible_time
        self._client = f"oms-{secrets.token_hex(8)}"
        self._about = f"group {group} of {topic}"
        self._telemetry: Any = None
        self._receiving: Any = None
        self._closed = asyncio.Event()

    async def introduce(self) -> None:
        """Tell the proxy who consumes what: it hands nothing out to strangers. Raises Lost."""
        import grpc

        types = self._proxy.types
        settings = types.Settings(client_type=types.ClientType.SIMPLE_CONSUMER, access_point=self._proxy.endpoints)
        settings.subscription.group.CopyFrom(self._group)
        everything = types.FilterExpression(type=types.FilterType.TAG, expression="*")
        settings.subscription.subscriptions.add(topic=self._topic, expression=everything)
        settings.subscription.long_polling_timeout.FromMilliseconds(int(LONGEST_POLL * 1000))
        telemetry = self._proxy.stream("Telemetry", self._client)
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                await telemetry.write(self._proxy.calls.TelemetryCommand(settings=settings))
                await telemetry.read()
        except (grpc.RpcError, TimeoutError, asyncio.InvalidStateError) as failure:
            telemetry.cancel()
            raise Lost(str(failure)) from failure
        self._telemetry = telemetry

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages, as soon as there is one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while not self._closed.is_set():
            try:
                if self._telemetry is None or self._telemetry.done():
                    await self.introduce()
                found = await self._receive(min(maximum, AT_ONCE), min(max(deadline - loop.time(), 0.1), LONGEST_POLL))
            except Refused as refused:
                raise refused.told(self._about) from refused
            except Lost:
                found = []
                with suppress(TimeoutError):  # the proxy is away
                    async with asyncio.timeout(_PAUSE):
                        await self._closed.wait()
            if found or loop.time() >= deadline:
                return found
        return []

    async def _receive(self, maximum: int, wait: float) -> list[Received]:
        import grpc

        types = self._proxy.types
        request = self._proxy.calls.ReceiveMessageRequest(
            group=self._group,
            message_queue=self._queue,
            filter_expression=types.FilterExpression(type=types.FilterType.TAG, expression="*"),
            batch_size=maximum,
            auto_renew=False,
        )
        request.invisible_duration.FromMilliseconds(int(self._invisible_time * 1000))
        request.long_polling_timeout.FromMilliseconds(int(wait * 1000))
        found: list[Received] = []
        self._receiving = self._proxy.stream("ReceiveMessage", self._client, request, timeout=wait + CALL_TIMEOUT)
        try:
            async for answer in self._receiving:
                if answer.WhichOneof("content") == "message":
                    system = answer.message.system_properties
                    handle = Handle(system.message_id, system.receipt_handle)
                    found.append(Received(from_native(answer.message), handle, max(system.delivery_attempt, 1)))
                elif answer.WhichOneof("content") == "status" and answer.status.code != NO_MESSAGE:
                    check(answer.status)
        except grpc.RpcError as failure:
            if not found:
                raise Lost(str(failure)) from failure
        except asyncio.CancelledError:
            if not self._closed.is_set():
                raise
        finally:
            self._receiving = None
        return found

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done. One whose handle is over comes again."""
        entry = self._proxy.calls.AckMessageEntry
        entries = [entry(message_id=each.receipt.message_id, receipt_handle=each.receipt.text) for each in messages]
        request = self._proxy.calls.AckMessageRequest(group=self._group, topic=self._topic, entries=entries)

        async def act() -> None:
            with suppress(_Over):
                await self._settle("AckMessage", request)

        await self._proxy.persist(self._about, act)

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:  # noqa: ARG002 - it counts all
        """They come again; the attempt counts, whatever is asked for."""
        await self._hide(messages, delay)

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """They stay hidden for that long from now."""
        await self._hide(messages, seconds)

    async def _hide(self, messages: Sequence[Received], seconds: float) -> None:
        await asyncio.gather(*(self._hide_one(each.receipt, seconds) for each in messages))

    async def _hide_one(self, handle: Handle, seconds: float) -> None:
        async def act() -> None:
            request = self._proxy.calls.ChangeInvisibleDurationRequest(
                group=self._group, topic=self._topic, receipt_handle=handle.text, message_id=handle.message_id
            )
            request.invisible_duration.FromMilliseconds(max(int(seconds * 1000), 1))
            with suppress(_Over):
                handle.text = (await self._settle("ChangeInvisibleDuration", request)).receipt_handle or handle.text

        await self._proxy.persist(self._about, act)

    async def _settle(self, name: str, request: Any) -> Any:
        try:
            return await self._proxy.call(name, self._client, request)
        except Refused as refused:
            if refused.code in _GONE:
                raise _Over from refused
            raise

    async def close(self) -> None:
        """Let go; ends a pull."""
        self._closed.set()
        for call in (self._receiving, self._telemetry):
            if call is not None:
                call.cancel()


class _Over(Exception):
    """A handle is over."""
