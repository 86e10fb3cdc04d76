"""What a queue of ours is in RabbitMQ, and how it is made.

exchange orders                    where messages are sent: fanout, or direct by partition where there are several
queue    orders                    keeps what is sent until the first group that begins at the earliest takes it over
queue    orders__p0, orders__p1    the same, with several partitions
exchange orders__earliest          routes nothing: its alternate exchange is the name of the group that took it over
queue    orders__group-audit       one of every other group, per partition
exchange and queue oms-delay-1500  what comes back after 1500 ms, whatever queue it belongs to
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from openmessaging.drivers.naming import Naming
from openmessaging.drivers.rabbitmq.link import Link
from openmessaging.model.errors import error

NAMES = Naming(".")
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
GROUP = "__group-"
DELAY = "oms-delay-"
_EARLIEST = "__earliest"
_IDLE_MS = 60_000
_MAX_NATIVE_BYTES = 255


def native_group(native: str, group: str) -> str:
    """The native queue of a group that has one of its own, on a native queue."""
    return f"{native}{GROUP}{NAMES.group(group)}"


def delay_ms(seconds: float) -> int:
    """A delay in ms with two significant digits, rounded up: so that few queues serve all of them."""
    wanted = max(int(seconds * 1000 + 0.999), 1)
    unit = int(10 ** max(len(str(wanted)) - 2, 0))
    return -(-wanted // unit) * unit


class Topology:
    """Exchanges, queues and bindings, over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def exists(self, native: str) -> bool:
        """Whether there is a queue of that name in RabbitMQ."""
        return await self.ready(native) is not None

    async def ready(self, native: str) -> int | None:
        """How many messages of a native queue can be taken; None when there is no such queue."""

        async def ask(channel: Channel) -> int | None:
            try:
                return int((await channel.queue_declare(native, passive=True)).message_count or 0)
            except ChannelNotFoundEntity:
                return None

        return await self._link.call(f"queue {native}", ask)

    async def count(self, name: str) -> int | None:
        """Number of partitions of a queue (full name); None when it is missing."""
        if await self.exists(NAMES.native(name)):
            return 1
        known, missing = 0, 1
        while await self.exists(NAMES.native(name, missing - 1)):
            known, missing = missing, missing * 2
        while missing - known > 1:  # those below `known` are there, the one before `missing` is not
            middle = (known + missing) // 2
            if await self.exists(NAMES.native(name, middle - 1)):
                known = middle
            else:
                missing = middle
        return known or None

    def queues(self, name: str, count: int) -> list[str]:
        """The native queues that keep what is sent, one per partition."""
        return [NAMES.native(name)] if count == 1 else [NAMES.native(name, number) for number in range(count)]

    async def create(self, name: str, count: int) -> None:
        """Make a queue; what is there already stays. Raises OMSRuntimeException 1418 for a name that is too long, and
        where another kind of exchange or queue has it."""
        exchange = NAMES.native(name)
        queues = self.queues(name, count)
        if len(queues[-1]) + len(GROUP) > _MAX_NATIVE_BYTES:
            reason = f"{name}: its name in RabbitMQ, {exchange[:40]}…, has {len(exchange)} bytes"
            raise error(1418, reason, next_step="Use a shorter name", field="queue")

        async def make(channel: Channel) -> None:
            await channel.exchange_declare(exchange, exchange_type=_kind(count), durable=True)
            for number, queue in enumerate(queues):
                await _declared(channel, queue, QUORUM)
                await channel.queue_bind(queue, exchange, routing_key=str(number))

        await self._link.call(f"queue {name}", make)

    async def delete(self, name: str, count: int) -> None:
        """Delete a queue; the native queues of groups stay."""
        exchange = NAMES.native(name)

        async def drop(channel: Channel) -> None:
            await channel.exchange_delete(exchange)
            await channel.exchange_delete(exchange + _EARLIEST)
            for queue in self.queues(name, count):
                await channel.queue_delete(queue)

        await self._link.call(f"queue {name}", drop)

    async def purge(self, natives: Sequence[str]) -> int:
        """Drop what can be taken from native queues."""

        async def drop(channel: Channel) -> int:
            return sum([int((await channel.queue_purge(native)).message_count or 0) for native in natives])

        return await self._link.call("purge", drop)

    async def group(self, name: str, count: int, group: str, earliest: bool) -> list[str]:
        """The native queues of a group, one per partition, made when missing."""
        queues = self.queues(name, count)
        own = [native_group(queue, group) for queue in queues]
        if await self.exists(own[0]):
            return own
        if await (self._claim(name, group) if earliest else self.has_claim(name, group)):
            return queues
        await self.bind(name, own, QUORUM)
        return own

    async def find_group(self, name: str, count: int, group: str) -> list[str] | None:
        """The native queues of a group; None when there is no such group."""
        queues = self.queues(name, count)
        own = [native_group(queue, group) for queue in queues]
        if await self.exists(own[0]):
            return own
        return queues if await self.has_claim(name, group) else None

    async def bind(self, name: str, natives: Sequence[str], arguments: dict[str, Any]) -> None:
        """Make native queues, one per partition, that get what is sent from now on."""

        async def make(channel: Channel) -> None:
            for number, native in enumerate(natives):
                await _declared(channel, native, arguments)
                await channel.queue_bind(native, NAMES.native(name), routing_key=str(number))

        await self._link.call(f"group of {name}", make)

    async def drop_group(self, name: str, count: int, group: str) -> bool:
        """Delete a group; what is left in a queue that it had taken waits for the next. False when it is missing."""
        own = await self.find_group(name, count, group)
        if own is None:
            return False

        async def drop(channel: Channel) -> None:
            if own == self.queues(name, count):
                await channel.exchange_delete(NAMES.native(name) + _EARLIEST)
            else:
                for native in own:
                    await channel.queue_delete(native)

        await self._link.call(f"group {group} of {name}", drop)
        return True

    async def _claim(self, name: str, group: str) -> bool:
        """Take the queue itself over for a group, unless another one has: RabbitMQ lets only one of them declare the
        exchange with its own name in it."""

        async def declare(channel: Channel) -> bool:
            arguments: dict[str, Any] = {"alternate-exchange": f"group-{NAMES.group(group)}"}
            try:
                await channel.exchange_declare(
                    NAMES.native(name) + _EARLIEST, exchange_type="fanout", durable=True, arguments=arguments
                )
            except ChannelPreconditionFailed:
                return False
            return True

        return await self._link.call(f"group {group} of {name}", declare)

    async def has_claim(self, name: str, group: str) -> bool:
        """Whether a group has taken the queue itself over."""

        async def there(channel: Channel) -> bool:
            with contextlib.suppress(ChannelNotFoundEntity):
                await channel.exchange_declare(NAMES.native(name) + _EARLIEST, passive=True)
                return True
            return False

        return await self._link.call(name, there) and await self._claim(name, group)

    async def delay(self, milliseconds: int) -> str:
        """The exchange of what comes back after so many ms to the queue that its routing key names. Its queue goes by
        itself when nothing was delayed so long for a while, and never before what waits in it."""
        native = f"{DELAY}{milliseconds}"
        arguments = {
            **QUORUM,
            "x-message-ttl": milliseconds,
            "x-expires": milliseconds * 2 + _IDLE_MS,
            "x-dead-letter-exchange": "",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }

        async def make(channel: Channel) -> None:
            await channel.exchange_declare(native, exchange_type="fanout", durable=True, auto_delete=True)
            await _declared(channel, native, arguments)
            await channel.queue_bind(native, native)

        await self._link.call(f"delay of {milliseconds} ms", make)
        return native


def _kind(count: int) -> str:
    return "fanout" if count == 1 else "direct"


async def _declared(channel: Channel, native: str, arguments: dict[str, Any]) -> None:
    await channel.queue_declare(native, durable=True, arguments=arguments)
