"""Stored messages without a group: by their numbers in the stream, which are the offsets of all its partitions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.drivers.mapping import packed
from openmessaging.drivers.nats.codec import Place, to_record
from openmessaging.drivers.nats.connection import (
    ANSWER_TIMEOUT,
    API,
    Connection,
    Lost,
    status_of,
    unsubscribe,
)
from openmessaging.drivers.nats.puller import Puller, fields_of
from openmessaging.drivers.nats.sending import rfc3339
from openmessaging.drivers.nats.streams import Stream
from openmessaging.model.errors import error
from openmessaging.model.spi import Delivery

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_MAX_BYTES = 8 << 20
_LEFT_OVER = 30.0
"""Seconds after which the server deletes the consumer of a read that was cut off."""


class Reader:
    """Reads streams."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def get(self, stream: Stream, wanted: dict[str, Any]) -> list[Msg]:
        """Messages by one direct request. Raises OMSRuntimeException 1503, 1500 for a stream that allows none."""

        async def act() -> dict[str, Any]:
            return {"messages": await self._get(stream, wanted)}

        found: list[Msg] = (await self._connection.persist(stream.queue, act))["messages"]
        return found

    async def _get(self, stream: Stream, wanted: dict[str, Any]) -> list[Msg]:
        found: list[Msg] = []
        done: asyncio.Future[str] = self._loop.create_future()

        def take(message: Msg) -> None:
            if "Nats-Sequence" in (message.headers or {}):
                found.append(message)
            elif not done.done():
                done.set_result(status_of(message))

        def broke() -> None:
            if not done.done() and not self._connection.connected.is_set():
                done.set_exception(Lost("the connection broke"))

        inbox = self._connection.new_inbox()
        subscription = await self._connection.subscribe(inbox, take)
        self._connection.watchers.add(broke)
        try:
            subject = f"{API}DIRECT.GET.{stream.native}"
            await self._connection.publish(subject, msgspec.json.encode(wanted), reply=inbox)
            async with asyncio.timeout(ANSWER_TIMEOUT):
                status = await done
        except TimeoutError:
            raise Lost("no answer") from None
        finally:
            self._connection.watchers.discard(broke)
            await unsubscribe(subscription)
        if status == "503":
            raise error(
                1500,
                f"the stream {stream.native} gives no messages directly",
                next_step=f"Allow it: nats stream edit {stream.native} --allow-direct",
            )
        return found

    async def read(self, stream: Stream, partition: int, offset: int, maximum: int, wait: float) -> list[Delivery]:
        """Messages from an offset on; waits for one at the end."""
        wanted = {
            "seq": max(offset, 1),
            "next_by_subj": stream.filter(partition),
            "batch": maximum,
            "max_bytes": _MAX_BYTES,
        }
        messages = await self.get(stream, wanted)
        if messages or wait <= 0:
            return deliveries_of(stream, partition, [_stored(stream, each) for each in messages])
        return deliveries_of(stream, partition, await self._await(stream, partition, offset, maximum, wait))

    async def _await(
        self, stream: Stream, partition: int, offset: int, maximum: int, wait: float
    ) -> list[tuple[Place, Msg]]:
        """Wait for messages with a consumer that lasts as long as this call."""
        name = self._connection.new_inbox().rpartition(".")[2]
        config = {
            "name": name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(offset, 1),
            "filter_subject": stream.filter(partition),
            "inactive_threshold": round(_LEFT_OVER * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
        }
        path = f"{stream.native}.{name}"
        await self._connection.manage(
            stream.queue, f"CONSUMER.CREATE.{path}", {"stream_name": stream.native, "config": config}
        )
        puller = Puller(self._connection, stream.native, name, f"a reader of {stream.queue}")
        await puller.open()
        try:
            messages = await puller.pull(maximum, wait)
        finally:
            await puller.close()
            with contextlib.suppress(Lost):  # it goes by itself
                await self._connection.publish(f"{API}CONSUMER.DELETE.{path}", reply=self._connection.new_inbox())
        return [(_place_of(stream, message), message) for message in messages]

    async def read_before(self, stream: Stream, partition: int, offset: int) -> Delivery | None:
        """The message before an offset; None at the beginning."""
        if offset <= 1:
            return None
        wanted = {"multi_last": [stream.filter(partition)], "up_to_seq": offset - 1}
        messages = await self.get(stream, wanted)
        if not messages:
            return None
        places = sorted((_stored(stream, each) for each in messages), key=lambda each: each[0].sequence)
        return deliveries_of(stream, partition, places[-1:])[0]

    async def find_time(self, stream: Stream, partition: int, timestamp_ms: int) -> int | None:
        """The first offset stored at or after a time; None when there is none."""
        wanted = {"start_time": rfc3339(timestamp_ms), "next_by_subj": stream.filter(partition), "batch": 1}
        messages = await self.get(stream, wanted)
        return _stored(stream, messages[0])[0].sequence if messages else None


def _stored(stream: Stream, message: Msg) -> tuple[Place, Msg]:
    headers = message.headers or {}
    place = Place(
        stream.native,
        int(headers["Nats-Sequence"]),
        milliseconds(headers["Nats-Time-Stamp"]),
        stream.partition_of(headers["Nats-Subject"]),
    )
    return place, message


def _place_of(stream: Stream, message: Msg) -> Place:
    _, _, _, sequence, _, stored_ns, *_ = fields_of(message.reply)
    return Place(stream.native, int(sequence), int(stored_ns) // 1_000_000, stream.partition_of(message.subject))


def deliveries_of(stream: Stream, partition: int, found: Sequence[tuple[Place, Msg]]) -> list[Delivery]:
    """Messages as deliveries: one for each run of numbers without a gap."""
    deliveries: list[Delivery] = []
    now_ms = time.time_ns() // 1_000_000
    begin = 0
    for at, (place, _) in enumerate(found, 1):
        if at == len(found) or found[at][0].sequence != place.sequence + 1:
            run = found[begin:at]
            records = [to_record(message.headers, message.data, each) for each, message in run]
            deliveries.append(
                packed(
                    stream.queue,
                    records,
                    now_ms,
                    partition=partition,
                    base_offset=run[0][0].sequence,
                    store_ms=run[0][0].stored_ms,
                )
            )
            begin = at
    return deliveries


def milliseconds(text: str) -> int:
    """A time as NATS writes it, in ms since the epoch."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.fromisoformat(f"{whole}+00:00").timestamp()
    return int(seconds) * 1000 + int((fraction + "000")[:3])
