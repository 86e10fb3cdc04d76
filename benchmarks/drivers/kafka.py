"""confluent-kafka as its manual shows it: `produce` with a report per message, `poll`, `flush`; `consume` and a commit
per chunk; with the settings that the driver has. The broker syncs every batch (`log.flush.interval.messages=1`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.drivers.adapter import TOGETHER
from openmessaging.testing.servers.kafka import Kafka

SERVER = Kafka


class Bare:
    def __init__(self, server: Kafka) -> None:
        self._where = {"bootstrap.servers": f"127.0.0.1:{server.port}"}

    async def open(self, queue: str) -> None:
        await asyncio.to_thread(self._open, queue)

    def _open(self, queue: str) -> None:
        self._queue = queue
        admin = AdminClient(self._where)  # its futures fail when it goes
        admin.create_topics([NewTopic(queue, 1, 1)])[queue].result(20)
        self._producer = Producer({**self._where, "enable.idempotence": True, "acks": "all", "linger.ms": 1})
        settings = {"group.id": queue, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**self._where, **settings})
        self._consumer.subscribe([queue])
        self._consumer.poll(1.0)

    async def produce(self, bodies: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._produce, bodies)

    def _produce(self, bodies: Sequence[bytes]) -> None:
        stored = 0

        def report(failure: object, _: object) -> None:
            nonlocal stored
            assert failure is None
            stored += 1

        for number, body in enumerate(bodies):
            self._producer.produce(self._queue, body, on_delivery=report)
            if number % 1000 == 0:
                self._producer.poll(0)
        self._producer.flush()
        assert stored == len(bodies)

    async def consume(self, count: int) -> None:
        await asyncio.to_thread(self._consume, count)

    def _consume(self, count: int) -> None:
        while count > 0:
            messages = self._consumer.consume(min(TOGETHER, count), 0.05)
            for message in messages:
                assert message.error() is None
                assert message.value()
            if messages:
                self._consumer.commit(asynchronous=False)
            count -= len(messages)

    async def send(self, body: bytes) -> None:
        await asyncio.to_thread(self._produce, [body])

    async def close(self) -> None:
        await asyncio.to_thread(self._consumer.close)


bare = Bare
