"""The sending side: one idempotent producer, fed and heard in the loop.

Kafka's client batches by itself, so a batch goes to it as soon as it is submitted. It has threads of its own; while
something is on its way, the loop looks every millisecond for reports, which come as one call per message. A thread that
waits for them would take the interpreter's lock from the sending loop for every single one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from openmessaging.drivers.kafka.failures import told
from openmessaging.drivers.kafka.records import natives
from openmessaging.drivers.kafka.topics import Topic
from openmessaging.model.spi import Done, Durability, OutgoingBatch, Placement

if TYPE_CHECKING:
    from confluent_kafka import Message

_BUSY, _IDLE = 0.001, 1.0
"""Seconds between looks for reports, while something is on its way and while nothing is."""


class Flight:
    """A batch on its way; `landed` hears of each of its messages."""

    __slots__ = (
        "_finished",
        "_first",
        "_left",
        "count",
        "destination",
        "done",
        "durability",
        "failure",
        "partition",
        "placement",
    )

    def __init__(self, count: int, partition: int, durability: Durability, finished: Callable[[Flight], None]) -> None:
        self.count = count
        self.partition = partition
        self.durability = durability
        self.failure: KafkaError | None = None
        self.placement: Placement | None = None
        self.done: Done | None = None
        self.destination = ""
        self._first = -1
        self._left = count
        self._finished = finished

    def landed(self, failure: KafkaError | None, message: Message) -> None:
        """Kafka's report about one message; they come in order."""
        if failure is not None:
            self.failure = failure
        elif self._left == self.count:
            self._first = message.offset() or 0
        self._left -= 1
        if self._left:
            return
        if self.failure is None:
            last = message.offset() or 0
            # Others may have written between them, and where each lies nobody asked.
            base = self._first if last - self._first == self.count - 1 else -1
            self.placement = Placement(self.partition, base, message.timestamp()[1], self.durability)
        self._finished(self)

    def refuse(self, failure: KafkaError, count: int) -> None:
        """So many messages were not taken, and no report of them will come."""
        self.failure = failure
        self._left -= count
        if not self._left:
            self._finished(self)


class Sender:
    """Belongs to the loop it was made in. `missing` is told the full name of a queue that is not there. A failure that
    ends a producer for good (an idempotence that cannot be kept) gives it a successor."""

    def __init__(self, settings: dict[str, Any], missing: Callable[[str], None]) -> None:
        self._settings = settings
        self._missing = missing
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(settings)
        self._finished: list[Flight] = []
        self._flying = 0
        self._look = self._loop.call_later(_IDLE, self._listen)
        self._empty: asyncio.Future[None] | None = None

    def send(self, topic: Topic, partition: int, outgoing: OutgoingBatch, done: Done) -> None:
        """Hand a batch to Kafka's client; `done` is called in the loop, later."""
        flight = Flight(outgoing.batch.count, partition, topic.durability, self._finished.append)
        flight.done, flight.destination = done, outgoing.destination
        if not self._flying:
            self._look.cancel()
            self._look = self._loop.call_later(_BUSY, self._listen)
        self._flying += 1
        refused = produce(self._producer, topic, partition, outgoing, flight)
        if refused is not None:
            flight.refuse(*refused)

    def _listen(self) -> None:
        """Hear what became of messages, and look again later."""
        self._producer.poll(0)
        flights = self._finished[:]
        del self._finished[: len(flights)]
        self._arrive(flights)
        self._look = self._loop.call_later(_BUSY if self._flying else _IDLE, self._listen)

    def _arrive(self, flights: list[Flight]) -> None:
        self._flying -= len(flights)
        for flight in flights:
            assert flight.done is not None
            if flight.failure is None:
                flight.done(flight.placement, None)
            else:
                if flight.failure.fatal():
                    self._renew()
                failure = told(flight.failure, flight.destination)
                if failure.code == 1404:
                    self._missing(flight.destination)
                flight.done(None, failure)
        if self._empty is not None and not self._flying and not self._empty.done():
            self._empty.set_result(None)

    def _renew(self) -> None:
        old, self._producer = self._producer, Producer(self._settings)
        threading.Thread(target=old.flush, args=(5.0,), name="oms-kafka-last-reports", daemon=True).start()

    async def close(self) -> None:
        """Return when what was sent has arrived or failed."""
        if self._flying:
            self._empty = self._loop.create_future()
            await self._empty
        self._look.cancel()


def produce(
    producer: Producer, topic: Topic, partition: int, outgoing: OutgoingBatch, flight: Flight
) -> tuple[KafkaError, int] | None:
    """Give a client the messages of a batch; why it did not take so many of them, the last ones, if it did not."""
    name, landed, put = topic.native, flight.landed, producer.produce
    given = 0
    try:
        for value, key, timestamp_ms, headers in natives(outgoing, topic.compact):
            put(name, value, key, partition, landed, timestamp=timestamp_ms, headers=headers)
            given += 1
    except BufferError:
        return KafkaError(KafkaError._QUEUE_FULL, "the client's queue is full"), flight.count - given
    except KafkaException as cause:
        return cause.args[0], flight.count - given
    return None
