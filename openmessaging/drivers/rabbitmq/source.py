"""RabbitMQ's side of a subscription: consumers that take as much as is asked for, settlements, copies that come back.

RabbitMQ pushes. A consumer may have so many messages unsettled (its prefetch); here it is such that what is pushed is
what a pull asks for: credit grows with what is pulled and not settled; when no pull follows soon, the consumers end,
and settlements, which would let RabbitMQ push again, wait for one or the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.rabbitmq.failures import LOST, lived, translated
from openmessaging.drivers.rabbitmq.link import RECONNECT_WITHIN, Link
from openmessaging.drivers.rabbitmq.messages import attempt_of, copy_of, from_native
from openmessaging.drivers.rabbitmq.publisher import Post, Publisher
from openmessaging.drivers.rabbitmq.topology import Topology, delay_ms
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.timing import NEVER, expires_ms

LULL = 0.02
"""Seconds that consumers wait for the next pull before they end."""
SHORT_LULL = 0.005
"""Seconds that settlements wait for it."""
IDLE = 1.0
"""Seconds after which what was pushed and not pulled goes back to its place."""
_MOST = 65_535


class Receipt(msgspec.Struct, eq=False):
    """By what a message is settled."""

    channel: Channel
    tag: int
    queue: str
    message: DeliveredMessage


class RabbitmqSource:
    """Consumers on the native queues of a group, one per partition."""

    def __init__(
        self,
        link: Link,
        publisher: Publisher,
        topology: Topology,
        queues: Sequence[str],
        ending: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._topology = topology
        self._queues = list(queues)
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._channel: Channel | None = None
        self._consumers: list[str] = []
        self._credit = 0
        self._arrived: deque[Received] = deque()
        self._unsettled: dict[int, None] = {}
        self._wake = asyncio.Event()
        self._pulling = asyncio.Event()
        self._changing = asyncio.Lock()
        self._resting: asyncio.Task[None] | None = None
        self._gone: OMSRuntimeException | None = None
        self._away: float | None = None
        """Since when RabbitMQ is."""
        self._closed = False

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages as soon as there is one. Raises OMSDestinationException 1404 when the queue was deleted,
        OMSRuntimeException 1503 when RabbitMQ is away for long."""
        deadline = self._loop.time() + wait
        self._pulling.set()
        if self._resting is not None:
            self._resting.cancel()
        try:
            while not self._arrived and not self._closed:
                self._wake.clear()
                await self._want(maximum, max(deadline - self._loop.time(), 0.1))
                left = deadline - self._loop.time()
                if self._arrived or left <= 0:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(left if left < 1e8 else None):
                        await self._wake.wait()
            if not self._arrived and wait <= 0 and not self._closed:
                await self._turn()
            return self._taken(maximum)
        finally:
            self._pulling.clear()
            if self._consumers or self._arrived:
                self._resting = self._loop.create_task(self._rest())

    async def _rest(self) -> None:
        """End the consumers, as nobody pulls; give back what they have brought when nobody does for long."""
        await asyncio.sleep(LULL)
        await asyncio.shield(self._cancel())
        await asyncio.sleep(IDLE)
        surplus = [message.receipt for message in self._arrived]
        self._arrived.clear()
        await self._requeue(surplus)

    async def _turn(self) -> None:
        """One round trip: what RabbitMQ had for us comes before its answer."""
        if self._channel is not None:
            with suppress(*LOST):
                await lived(self._channel, self._channel.basic_qos(prefetch_count=1))
            await asyncio.sleep(0)

    def _taken(self, maximum: int) -> list[Received]:
        now_ms = time.time_ns() // 1_000_000
        taken: list[Received] = []
        while self._arrived and len(taken) < maximum:
            message = self._arrived.popleft()
            headers = message.record.headers or {}
            expiry = expires_ms(headers.get("bornTimestamp", 0), headers) if "expireTime" in headers else NEVER
            if expiry != NEVER and expiry <= now_ms:
                self._loop.create_task(self._settle([message.receipt]))
            else:
                taken.append(message)
        return taken

    # ---- consumers -------------------------------------------------------------------------------------------------

    async def _want(self, maximum: int, within: float) -> None:
        """Let RabbitMQ push so many more than there are unsettled."""
        async with self._changing:
            if self._gone is not None:
                raise self._gone
            if self._closed:
                return
            wanted = min(len(self._unsettled) + maximum, _MOST)
            try:
                if self._channel is None or self._channel.is_closed:
                    await self._open(within)
                if self._credit > 2 * wanted:
                    await self._end_consumers()
                if self._credit < wanted:
                    await self._consume(wanted - self._credit)
            except ChannelNotFoundEntity as failure:
                raise translated(failure, f"queue {self._queues[0]}") from failure
            except LOST:
                self._channel = None
                self._wake.set()  # try again
            except OMSRuntimeException as failure:
                self._away = self._away or self._loop.time()
                if failure.code != 1503 or self._loop.time() - self._away > RECONNECT_WITHIN:
                    raise
            else:
                self._away = None

    async def _open(self, within: float) -> None:
        channel = await self._link.channel(within=within)
        self._channel, self._consumers, self._credit = channel, [], 0
        self._arrived.clear()
        self._unsettled.clear()
        channel.closing.add_done_callback(lambda _: self._wake.set())
        channel.on_consumer_cancel_callbacks.add(self._cancelled)

    async def _consume(self, more: int) -> None:
        channel = self._channel
        assert channel is not None
        share = -(-more // len(self._queues))
        await lived(channel, channel.basic_qos(prefetch_count=share))
        self._credit += share * len(self._queues)
        for partition, queue in enumerate(self._queues):

            async def take(message: DeliveredMessage, partition: int = partition, queue: str = queue) -> None:
                self._take(channel, queue, partition, message)

            begun = await lived(channel, channel.basic_consume(queue, take))
            self._consumers.append(str(begun.consumer_tag))

    async def _cancel(self) -> None:
        """End the consumers unless somebody pulls again; what they brought stays unsettled."""
        async with self._changing:
            if not self._pulling.is_set():
                with suppress(*LOST):
                    await self._end_consumers()

    async def _end_consumers(self) -> None:
        consumers, self._consumers, self._credit = self._consumers, [], 0
        if self._channel is not None:
            for tag in consumers:
                await lived(self._channel, self._channel.basic_cancel(tag))

    def _take(self, channel: Channel, queue: str, partition: int, message: DeliveredMessage) -> None:
        if channel is not self._channel:
            return
        tag = message.delivery_tag or 0
        properties = message.header.properties
        record = from_native(message.body, properties)
        attempt = attempt_of(properties, bool(message.redelivered))
        self._unsettled[tag] = None
        self._arrived.append(Received(record, Receipt(channel, tag, queue, message), attempt, partition))
        self._wake.set()

    def _cancelled(self, _: Any) -> None:
        self._gone = error(1404, f"queue {self._queues[0]} was deleted", next_step="Create it, and subscribe again")
        self._wake.set()

    # ---- settling --------------------------------------------------------------------------------------------------

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done. Raises OMSRuntimeException 1503 for those of a connection that was lost: they come again."""
        await self._quiet()
        await self._settle([message.receipt for message in messages])

    async def _quiet(self) -> None:
        """Wait until somebody pulls, or see to it that nothing is pushed."""
        if self._consumers and not self._pulling.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SHORT_LULL):
                    await self._pulling.wait()
        if self._consumers and not self._pulling.is_set():
            await self._cancel()

    def _holds(self, receipt: Receipt) -> bool:
        """Whether a message is still ours: not when its connection is gone, as RabbitMQ then gives it to others."""
        return receipt.channel is self._channel and not receipt.channel.is_closed

    async def _settle(self, receipts: Sequence[Receipt]) -> None:
        by_tag = sorted(receipts, key=lambda each: each.tag)
        mine = [receipt for receipt in by_tag if self._holds(receipt)]
        lost = len(receipts) - len(mine)
        done = {receipt.tag for receipt in mine}
        upto = 0
        for tag in self._unsettled:  # in the order of their numbers
            if tag not in done:
                break
            upto = tag
        if mine:
            channel = mine[0].channel
            tags = [tag for tag in (upto, *(each.tag for each in mine if each.tag > upto)) if tag]

            async def tell() -> None:
                for tag in tags:
                    await channel.basic_ack(tag, multiple=tag == upto, wait=False)
                await channel.flow(True)  # RabbitMQ answers when it has them

            try:
                await lived(channel, tell())
            except LOST:
                lost = len(receipts)
        for tag in done:
            self._unsettled.pop(tag, None)
        if lost:
            reason = f"{lost} messages were not settled: the connection that brought them was lost"
            raise error(1503, reason, next_step="They are delivered again")

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They come again: at their place and counted by RabbitMQ where that is meant; else as copies at the end of
        the queue, which say how many deliveries there were."""
        await self._quiet()
        if counted and delay <= 0:
            await self._requeue([message.receipt for message in messages])
            return
        exchange = await self._topology.delay(delay_ms(delay)) if delay > 0 else ""
        alive = [message for message in messages if self._holds(message.receipt)]
        failures = await self._publisher.publish(
            [
                Post(
                    exchange,
                    each.receipt.queue,
                    copy_of(each.receipt.message.header.properties, each.attempt if counted else each.attempt - 1),
                    each.record.data,
                )
                for each in alive
            ]
        )
        copied = [each.receipt for each, failure in zip(alive, failures, strict=True) if failure is None]
        with suppress(OMSRuntimeException):  # lost meanwhile: they come twice
            await self._settle(copied)
        for failure in failures:
            if failure is not None:
                raise failure

    async def _requeue(self, receipts: Sequence[Receipt]) -> None:
        mine = [receipt for receipt in receipts if self._holds(receipt)]
        if not mine:
            return

        async def tell() -> None:
            for receipt in mine:
                await receipt.channel.basic_nack(receipt.tag, requeue=True, wait=False)

        for receipt in mine:
            self._unsettled.pop(receipt.tag, None)
        with suppress(*LOST):  # then that has given them back
            await lived(mine[0].channel, tell())

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Nothing to do: RabbitMQ keeps them for this connection."""

    async def close(self) -> None:
        """Let go: what was pushed and not pulled goes back to its place."""
        self._closed = True
        self._wake.set()
        if self._resting is not None:
            self._resting.cancel()
        async with self._changing:
            channel, self._channel = self._channel, None
            if channel is not None:
                with suppress(Exception):
                    await channel.close()
            if self._ending is not None:
                with suppress(OMSRuntimeException):
                    await self._ending()
