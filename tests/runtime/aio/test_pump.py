"""The parts of the pump that `test_push.py` cannot see."""

import logging

import pytest

from openmessaging import connect
from openmessaging.runtime.aio.primitives import Event
from openmessaging.runtime.aio.pump import give_back, halves
from openmessaging.runtime.verdict import Reject, Retry


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


async def test_what_becomes_of_refused_messages_is_logged(memory: str, caplog: pytest.LogCaptureFixture) -> None:
    done = Event()

    async def listener(message, context) -> None:
        if message.data == b"reject":
            raise Reject("no such dish")
        if message.data == b"retry":
            raise Retry(60.0, "the oven is cold")
        if message.data == b"fail":
            raise ValueError("burnt")
        done.set()

    async with connect(memory) as access_point, access_point.create_producer() as producer:
        for body in (b"reject", b"retry", b"fail", b"end"):
            await producer.send(producer.create_message("q", body))
        caplog.set_level(logging.INFO, "openmessaging")
        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("q", listener)
            assert await done.wait_within(10)
    rejected, retried, failed = (record for record in caplog.records if "message(s)" in record.message)
    assert rejected.message == "1 message(s) of default://q become dead letters: no such dish"
    assert retried.message == "1 message(s) of default://q come again: the oven is cold"
    assert failed.exc_info is not None
    assert "burnt" in str(failed.exc_info[1])
