"""Several batches as one: Kafka's transactions, by a producer of their own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from openmessaging.drivers.kafka.failures import told
from openmessaging.drivers.kafka.sender import Flight, produce
from openmessaging.drivers.kafka.topics import Topic
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import OutgoingBatch, Placement

_WITHIN = 30.0
"""Seconds for each step."""
_OPEN_MS = 30_000
"""After so long the broker ends a transaction whose producer is gone; until then readers wait before it."""
Addressed = tuple[Topic, int, OutgoingBatch]


class AtomicSender:
    """Transactions one after the other, each in a thread."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = {
            **settings,
            "transactional.id": f"oms-{secrets.token_hex(8)}",
            "transaction.timeout.ms": _OPEN_MS,
            "message.timeout.ms": _OPEN_MS,
        }
        self._producer: Producer | None = None
        self._turn = asyncio.Lock()

    async def send(self, batches: Sequence[Addressed]) -> list[Placement]:
        """Store all batches or none."""
        # A thread cannot be cancelled: the next transaction waits for the end of this one, whoever gave up on it.
        return await asyncio.shield(asyncio.ensure_future(self._send_alone(batches)))

    async def _send_alone(self, batches: Sequence[Addressed]) -> list[Placement]:
        async with self._turn:
            return await asyncio.to_thread(self._send, batches)

    def _send(self, batches: Sequence[Addressed]) -> list[Placement]:
        try:
            producer = self._opened()
            producer.begin_transaction()
            flights = [_produced(producer, *each) for each in batches]
            producer.flush(_WITHIN)
            self._check(flights)
            producer.commit_transaction(_WITHIN)
        except KafkaException as failure:
            raise self._failed(failure.args[0]) from failure
        placements = [flight.placement for flight in flights]
        return [each for each in placements if each is not None]

    def _opened(self) -> Producer:
        if self._producer is None:
            producer = Producer(self._settings)
            producer.init_transactions(_WITHIN)
            self._producer = producer
        return self._producer

    def _check(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            if flight.failure is not None:
                raise KafkaException(flight.failure)
            if flight.placement is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the broker did not answer"))

    def _failed(self, failure: KafkaError) -> OMSRuntimeException:
        """End the transaction; a producer that is in doubt has a successor, whose start ends it."""
        producer, self._producer = self._producer, None
        if producer is not None and not failure.fatal():
            with contextlib.suppress(KafkaException):
                producer.abort_transaction(_WITHIN)
                self._producer = producer
        return told(failure)

    async def close(self) -> None:
        """Let go."""
        async with self._turn:
            self._producer = None


def _produced(producer: Producer, topic: Topic, partition: int, outgoing: OutgoingBatch) -> Flight:
    flight = Flight(outgoing.batch.count, partition, topic.durability, lambda _: None)
    refused = produce(producer, topic, partition, outgoing, flight)
    if refused is not None:
        raise KafkaException(refused[0])
    return flight
