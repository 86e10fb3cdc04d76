"""The 20,000 flights as messages, and a program that mirrors: `python -m tests.mirror.flights FROM TO STATE`.

URLs that begin with `oms:sqlite` are of the example's driver. Each step prints how many messages it copied.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

import openmessaging as oms
import openmessaging.blocking as blocking
from openmessaging.demo import data
from openmessaging.mirror import Mirror
from openmessaging.mirror.mirror import Progress

COUNT = 20_000


def access_point(url: str) -> oms.AccessPoint:
    implementation = {"DRIVER_IMPL": "examples.sqlite_driver:driver"} if url.startswith("oms:sqlite") else None
    return oms.connect(url, implementation)


def fill(url: str, partitions: int = 3, count: int = COUNT) -> None:
    """Flights with keys, properties of all types, headers, and some of another priority."""
    flights = data.read(None)[:count]
    with blocking.connect(url, {"flush": "never"}) as access_point, access_point.create_producer() as producer:
        access_point.resource_manager().create_queue("flights", partitions)

        def message(number: int, flight: data.Flight) -> oms.Message:
            headers: dict[str, Any] = {"priority": 9} if number % 1_000 == 0 else {}
            properties: dict[str, Any] = {
                "delay": flight.delay, "late": flight.late, "miles": flight.distance / 3, "raw": b"\xff", "to": "größe"
            }  # fmt: skip
            body = msgspec.json.encode(flight)
            return producer.create_message(
                "flights", body, message_key=flight.origin, properties=properties, correlation_id=f"{number}", **headers
            )

        for begin in range(0, count, 1_000):
            part = [message(begin + at, flight) for at, flight in enumerate(flights[begin : begin + 1_000])]
            producer.send(part)


async def mirror(source: str, target: str, state: str, progress: Progress) -> int:
    """Copy the queue of flights."""
    async with access_point(source) as begin, access_point(target) as end:
        moving = Mirror(begin, end, name="flights", state=Path(state))
        return await moving.run(await moving.plan(["flights"]), progress)


if __name__ == "__main__":
    asyncio.run(mirror(*sys.argv[1:4], lambda _, more: print(more, flush=True)))
