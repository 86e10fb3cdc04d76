"""Reading partitions without a group: from an offset, before one, and where a time begins."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from openmessaging.drivers.kafka.failures import told
from openmessaging.drivers.kafka.records import to_record
from openmessaging.drivers.kafka.topics import native_name
from openmessaging.drivers.mapping import packed
from openmessaging.model.spi import Delivery

if TYPE_CHECKING:
    from confluent_kafka import Message

_PATIENCE = 20.0
"""Seconds within which Kafka must say that a partition ends."""
_LOOK_AGAIN = 0.05
"""Seconds between looks at a partition's end."""
_STEPS_BACK = (1, 16, 256, 4096, 65_536, 1 << 62)
"""How far `read_before` looks back: offsets may be missing, after compaction and behind transactions."""
T = TypeVar("T")


class Reader:
    """One client for all reads, one at a time, in threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = {
            **settings,
            "group.id": "oms-reader",  # never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
        }
        self._consumer: Consumer | None = None
        self._mutex = threading.Lock()
        self._place: tuple[str, int, int] | None = None
        """Topic, partition and offset that the client would read next; None when it reads nothing."""

    async def read(self, destination: str, partition: int, offset: int, maximum: int, wait: float) -> list[Delivery]:
        """As the SPI's `read`."""
        until = time.monotonic() + wait
        while True:
            found = await self._run(lambda: self._read(native_name(destination), partition, offset, maximum))
            left = until - time.monotonic()
            if found or left <= 0:
                return deliveries(destination, partition, found)
            await asyncio.sleep(min(_LOOK_AGAIN, left))

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """As the SPI's `read_before`."""
        found = await self._run(lambda: self._read_before(native_name(destination), partition, offset))
        return deliveries(destination, partition, [found])[0] if found is not None else None

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """As the SPI's `find_time`."""
        return await self._run(lambda: self._find_time(native_name(destination), partition, timestamp_ms))

    async def close(self) -> None:
        """Let go."""
        await self._run(self._close)

    async def _run(self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with self._mutex:
                try:
                    return work()
                except KafkaException as failure:
                    raise told(failure) from failure

        return await asyncio.to_thread(locked)

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._settings)
        return self._consumer

    def _read(self, topic: str, partition: int, offset: int, maximum: int) -> list[Message]:
        """Messages from an offset; none at the end of the partition."""
        consumer = self._open()
        if self._place != (topic, partition, offset):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), _PATIENCE)
            if offset >= high:
                return []
            consumer.assign([TopicPartition(topic, partition, max(offset, low))])
        self._place = None
        found: list[Message] = []
        end = time.monotonic() + _PATIENCE
        while len(found) < maximum:
            message = consumer.poll(0.0 if found else 0.1)
            if message is None:
                if found:
                    break
                if time.monotonic() > end:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic} [{partition}] cannot be read"))
                continue
            failure = message.error()
            if failure is None:
                found.append(message)
            elif failure.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(failure)
            else:
                consumer.unassign()
                return found
        self._place = (topic, partition, (found[-1].offset() or 0) + 1)
        return found

    def _read_before(self, topic: str, partition: int, offset: int) -> Message | None:
        low, high = self._open().get_watermark_offsets(TopicPartition(topic, partition), _PATIENCE)
        offset = min(offset, high)
        for step in _STEPS_BACK:
            begin = max(offset - step, low)
            last: Message | None = None
            while begin < offset:
                found = self._read(topic, partition, begin, 500)
                before = [message for message in found if (message.offset() or 0) < offset]
                last = before[-1] if before else last
                if not before or len(before) < len(found):
                    break
                begin = (before[-1].offset() or 0) + 1
            if last is not None or offset - step <= low:
                return last
        return None

    def _find_time(self, topic: str, partition: int, timestamp_ms: int) -> int:
        consumer = self._open()
        found = consumer.offsets_for_times([TopicPartition(topic, partition, max(timestamp_ms, 0))], _PATIENCE)[0]
        if found.error is not None:
            raise KafkaException(found.error)
        if found.offset >= 0:
            return found.offset
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), _PATIENCE)[1]

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def deliveries(destination: str, partition: int, messages: list[Message]) -> list[Delivery]:
    """Messages of a partition as deliveries: one for each run of offsets without a gap."""
    found: list[Delivery] = []
    begin = 0
    for at in range(1, len(messages) + 1):
        if at < len(messages) and (messages[at].offset() or 0) == (messages[at - 1].offset() or 0) + 1:
            continue
        run = messages[begin:at]
        times = [message.timestamp()[1] for message in run]
        found.append(
            packed(
                destination,
                [to_record(message) for message in run],
                max(times),
                partition=partition,
                base_offset=run[0].offset() or 0,
            )
        )
        begin = at
    return found
