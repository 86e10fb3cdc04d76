"""The parts of the pump that `test_push.py` cannot see."""

import logging

import pytest

from openmessaging import connect
from openmessaging.runtime.aio.primitives import Event
from openmessaging.runtime.aio.pump import give_back, halves


def test_halves_are_never_empty() -> None:
    for size in range(2, 9):
        first, second = halves(range(size))
        assert [*first, *second] == list(range(size))
        assert first
        assert second
    give_back([])


async def test_an_acknowledgement_that_comes_too_late_is_logged(memory: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message("q", b"good"), producer.create_message("q", b"bad")])
        manager = access_point.resource_manager()
        done = Event()

        async def listener(message, context) -> None:
            await manager.seek_group("q", "g", "latest")
            if message.data == b"bad":
                done.set()
                raise ValueError("refused too late")

        caplog.set_level(logging.WARNING, "openmessaging")
        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("q", listener)
            assert await done.wait_within(10)
        assert len([record for record in caplog.records if "delivered again" in record.message]) == 2
