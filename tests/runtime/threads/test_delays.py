# Generated from tests/runtime/aio/test_delays.py by scripts/unasync.py: change that file instead.
from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException


def test_delayed_messages_come_in_the_order_of_their_times(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer() as producer:
        create = producer.create_message
        began = time.time()
        late = create("q", b"late", deliver_at=datetime.now(UTC) + timedelta(seconds=0.6))
        results = producer.send([late, create("q", b"soon", delay=0.06, message_key="k"), create("q", b"now")])
        single = producer.send(create("q", b"single", delay_time=90))
        with access_point.create_pull_consumer("q", group="g") as consumer:
            found: dict[bytes, tuple[float, Any]] = {}
            for _ in range(4):
                message = consumer.receive(timeout=5)
                found[message.data] = time.time() - began, message.message_id
                message.ack()
        assert list(found) == [b"now", b"soon", b"single", b"late"]
        assert found[b"soon"][0] >= 0.06
        assert found[b"late"][0] >= 0.599
        ids = [found[body][1] for body in (b"late", b"soon", b"now", b"single")]
        assert ids == [result.message_id for result in (*results, single)]
        assert late.message_id == ids[0]


def test_cancelled_in_time_and_too_late(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer() as producer:
        first = producer.send(producer.create_message("q", b"x", delay=3600))
        second = producer.send(producer.create_message("q", b"y", delay=3600))
        manager = access_point.resource_manager()
        assert [info.message_id for info in manager.list_delayed("q")] == [first.message_id, second.message_id]
        assert producer.cancel("q", first.message_id)
        assert not producer.cancel("q", first.message_id)
        assert producer.reschedule("q", second.message_id, delay=0)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            message = consumer.receive(timeout=5)
            assert (message.data, message.message_id) == (b"y", second.message_id)
        assert not producer.reschedule("q", second.message_id, deliver_at=time.time() + 5)
        assert manager.list_delayed("q") == []
        with pytest.raises(OMSDestinationException):
            producer.cancel("none", first.message_id)


@pytest.mark.parametrize(
    "wanted",
    [
        {"delay": -1},
        {"delay": 1, "deliver_at": 5.0},
        {"deliver_at": "noon"},
        {"delay": "1"},
        {"ttl": -1},
        {"delay": 1e12},
    ],
)
def test_times_that_are_none(memory: str, wanted: dict[str, Any]) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException) as caught:
            producer.create_message("q", b"", **wanted)
        assert caught.value.code == 1418


def test_one_time_is_wanted_to_reschedule(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        for wanted in ({}, {"delay": 1.0, "deliver_at": 5.0}):
            with pytest.raises(OMSRuntimeException) as caught:
                producer.reschedule("q", "0" * 32, **wanted)
            assert caught.value.code == 1418
        far = producer.create_message("q", b"", delay_time=1 << 60)
        with pytest.raises(OMSRuntimeException) as caught:
            producer.send(far)
        assert caught.value.code == 1418


def test_a_message_with_a_delay_alone_is_as_any_other(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        quick = producer.create_message("q", b"x", delay_time=5)
        slow = producer.create_message("q", b"x", delay_time=5, trace_id=None)
        assert (quick.record, quick.destination) == (slow.record, slow.destination)
        for wrong in (-1, 1 << 63, 1.5, True, "1"):
            with pytest.raises(OMSRuntimeException) as caught:
                producer.create_message("q", b"x", delay_time=wrong)
            assert (caught.value.code, caught.value.field) == (1400, "delayTime")


def test_a_long_list_of_delayed_messages(memory: str) -> None:
    """Which becomes several batches, each of what is due about the same time."""
    with connect(memory) as access_point, access_point.create_producer() as producer:
        delays = [3_600_000 + 1_000 * (number * 7919 % 1_300) for number in range(1_300)]
        messages = [producer.create_message("q", b"%d" % delay, delay_time=delay) for delay in delays]
        results = producer.send(messages)
        found = {info.message_id: info for info in access_point.resource_manager().list_delayed("q", 2_000)}
        assert len(found) == 1_300
        born = messages[0].header.born_timestamp
        for message, result, delay in zip(messages, results, delays, strict=True):
            assert message.message_id == result.message_id
            assert abs(found[result.message_id].due_ms - born - delay) < 1_000
