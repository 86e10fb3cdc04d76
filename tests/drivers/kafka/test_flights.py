"""20,000 real flights through Kafka, a consumer killed in the middle: the sums are those of the file."""

import asyncio
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

import openmessaging as oms
from openmessaging.demo import data
from tests.drivers.kafka.conftest import opened

VICTIM = """
import asyncio, sys, openmessaging as oms
async def main(url, queue):
    async with oms.connect(url) as point:
        async with point.create_pull_consumer(queue, group=queue, invisible_time=6.0) as consumer:
            for number in range(2_000):
                message = await consumer.receive()
                print(message.get_header("correlationId"), message.data.decode(), sep="\\t", flush=True)
                await message.ack()
            await consumer.flush()
            print("held", flush=True)
            await asyncio.sleep(600)
asyncio.run(main(*sys.argv[1:]))
"""


def sums(flights: dict[str, data.Flight]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Flights, minutes late and late flights by origin."""
    count: Counter[str] = Counter()
    minutes: Counter[str] = Counter()
    late: Counter[str] = Counter()
    for flight in flights.values():
        count[flight.origin] += 1
        minutes[flight.origin] += flight.delay
        late[flight.origin] += flight.late
    return count, minutes, late


async def produce(point: Any, queue: str, flights: list[data.Flight]) -> None:
    async with point.create_producer() as producer:
        for begin in range(0, len(flights), 1_000):
            await asyncio.gather(
                *[
                    producer.send(
                        producer.create_message(
                            queue, msgspec.json.encode(flight), message_key=flight.origin, correlation_id=str(number)
                        )
                    )
                    for number, flight in enumerate(flights[begin : begin + 1_000], begin)
                ]
            )


async def flying(kafka: Any, queue: str) -> None:
    flights = data.read(None)
    seen: dict[str, data.Flight] = {}

    def note(number: str, body: bytes) -> None:
        seen[number] = msgspec.json.decode(body, type=data.Flight)

    async with opened(kafka, queue, 4) as point:
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-c", VICTIM, kafka.url, queue, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdout is not None
        sending = asyncio.ensure_future(produce(point, queue, flights))
        while (line := await victim.stdout.readline()) != b"held\n":
            assert line, "it ended too soon"
            number, body = line.rstrip(b"\n").split(b"\t")
            note(number.decode(), body)
        consumers = [point.create_pull_consumer(queue, group=queue, invisible_time=6.0) for _ in range(2)]
        for consumer in consumers:
            await consumer.startup()
        victim.kill()
        await victim.wait()
        await asyncio.gather(sending, *[take(consumer, note, seen, len(flights)) for consumer in consumers])
        for consumer in consumers:
            await consumer.stop()
        assert (await point.resource_manager().describe_group(queue, queue)).lag == 0
    assert sums(seen) == sums({str(number): flight for number, flight in enumerate(flights)})


async def take(consumer: oms.PullConsumer, note: Any, seen: dict[str, data.Flight], count: int) -> None:
    while len(seen) < count:
        for message in await consumer.batch_receive(500, timeout=1.0):
            try:
                await message.ack()
            except oms.OMSRuntimeException as gone:
                assert gone.code == 1418  # its partition moved: it comes again
            else:
                note(message.get_header("correlationId"), message.data)
    await consumer.flush()


@pytest.mark.timeout(200)
def test_all_flights_arrive_though_a_consumer_is_killed(kafka: Any, queue: str) -> None:
    asyncio.run(asyncio.wait_for(flying(kafka, queue), 180))
