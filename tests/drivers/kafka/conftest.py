"""A real Kafka for all tests of its driver; without Java and Maven they are skipped, under continuous integration they
fail."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.testing.servers.kafka import Kafka
from tests.drivers.real import real

pytest.importorskip("confluent_kafka")
_names = count()


@pytest.fixture(scope="package")
def kafka() -> Iterator[Kafka]:
    with real(Kafka) as server:
        assert isinstance(server, Kafka)
        yield server


@pytest.fixture
def queue() -> str:
    """A name that no other test has."""
    return f"q{os.getpid()}-{next(_names)}"


@asynccontextmanager
async def opened(kafka: Kafka, queue: str, partitions: int = 1, **config: Any) -> AsyncIterator[Any]:
    """An access point with a new queue."""
    async with oms.connect(kafka.url) as access_point:
        await access_point.resource_manager().create_queue(queue, partitions=partitions, **config)
        yield access_point


async def send(access_point: Any, queue: str, *bodies: bytes, **fields: Any) -> list[Any]:
    """One by one: each to the next partition."""
    async with access_point.create_producer() as producer:
        return [await producer.send(producer.create_message(queue, body, **fields)) for body in bodies]


async def receive(consumer: Any, number: int, timeout: float = 30.0) -> list[Any]:
    return [await consumer.receive(timeout=timeout) for _ in range(number)]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 100))
