# Generated from tests/runtime/aio/test_filters.py by scripts/unasync.py: change that file instead.
"""Filters of groups and queues on the embedded store, both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.threads.primitives import Event

COLORS = ("red", "blue", "green")
RED = "color = 'red'"


def fill(access_point, count: int, batch: int = 0, **headers: object) -> None:
    with access_point.create_producer() as producer:
        made = [
            producer.create_message(
                "orders",
                b"%d" % at,
                properties={"color": COLORS[at % 3], "weight": at},
                message_key=f"k{at % 2}",
                **headers,
            )
            for at in range(count)
        ]
        for at in range(0, count, batch or count):
            producer.send(made[at : at + (batch or count)])


def all_of(consumer, timeout: float = 0.0) -> list[int]:
    found = []
    while messages := consumer.batch_receive(timeout=timeout):
        consumer.ack(messages)
        found += [int(message.data) for message in messages]
    return found


def info_of(access_point, group: str = "g"):
    return access_point.resource_manager().describe_group("orders", group)


def refused(consumer) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as caught:
        consumer.start()
    assert (caught.value.code, caught.value.field) == (1418, "filter")
    return caught.value


@pytest.mark.parametrize("order", ["none", "key"])
@pytest.mark.parametrize("batch", [1, 7, 0])
def test_a_group_gets_what_matches_and_moves_past_the_rest(url: str, order, batch: int) -> None:
    with connect(url) as access_point:
        fill(access_point, 30, batch)
        with access_point.create_pull_consumer("orders", "g", order=order, filter=RED) as consumer:
            assert sorted(all_of(consumer)) == list(range(0, 30, 3))
            info = info_of(access_point)
            assert (info.lag, info.floors, info.config.filter) == (0, [30], RED)
            fill(access_point, 3)
            assert (consumer.receive(timeout=5)).properties["color"] == "red"


def test_a_far_match_is_found_at_once(url: str) -> None:
    with connect(url, {"flush": "never"}) as access_point:
        fill(access_point, 20_000, 500)
        with access_point.create_pull_consumer("orders", "g", filter="weight = 19999") as consumer:
            assert all_of(consumer) == [19_999]
        with access_point.create_pull_consumer("orders", "h", filter="weight = 19999") as consumer:
            message = consumer.receive(timeout=10)
            assert message.data == b"19999"
            assert consumer.receive(timeout=0.01) is None


def test_what_failed_comes_again(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, 6)
        soon = Backoff(initial=0.01, jitter=0.0)
        with access_point.create_pull_consumer("orders", "g", filter=RED, backoff=soon) as consumer:
            for message in consumer.batch_receive():
                message.nack()
            again = [consumer.receive(timeout=5), consumer.receive(timeout=5)]
            assert sorted((message.data, message.delivery_count) for message in again) == [(b"0", 2), (b"3", 2)]


def test_push(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, 9)
        seen, done = [], Event()

        def listen(message, context) -> None:
            seen.append(int(message.data))
            if len(seen) == 3:
                done.set()

        consumer = access_point.create_push_consumer("g", filter=RED)
        consumer.bind_queue("orders", listen)
        with consumer:
            assert done.wait_within(10)
        assert seen == [0, 3, 6]
        assert (info_of(access_point)).lag == 0


def test_broadcast(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, 6)
        with access_point.create_pull_consumer("orders", broadcast=True, filter=RED) as consumer:
            assert all_of(consumer) == [0, 3]


def test_header_fields_and_tags(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, 3, correlation_id="c")
        fill(access_point, 3)
        text = "header.correlationId = 'c' AND header.messageKey = 'k0' AND header.priority = 5"
        with access_point.create_pull_consumer("orders", "g", filter=text) as consumer:
            assert all_of(consumer) == [0, 2]
        with access_point.create_producer() as producer:
            for tag in ("a", "b", "c"):
                producer.send(producer.create_message("tagged", tag.encode(), properties={"TAGS": tag}))
        with access_point.create_pull_consumer("tagged", "g", filter="a || c") as consumer:
            assert [message.data for message in consumer.batch_receive()] == [b"a", b"c"]


def test_the_filter_belongs_to_the_group(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, 6)
        with access_point.create_pull_consumer("orders", "g", filter=RED):
            pass
        for other in ("color = 'blue'", ""):
            failure = refused(access_point.create_pull_consumer("orders", "g", filter=other))
            assert "color = 'red'" in failure.reason
        with access_point.create_pull_consumer("orders", "g") as consumer:
            assert all_of(consumer) == [0, 3]
        with access_point.create_pull_consumer("orders", "g", filter="color = 'blue'", update=True) as consumer:
            fill(access_point, 3)
            assert all_of(consumer) == [1]
        with access_point.create_pull_consumer("orders", "none") as consumer:
            assert len(all_of(consumer)) == 9


def test_a_wrong_filter_is_shown_where(memory: str) -> None:
    with connect(memory) as access_point:
        failure = refused(access_point.create_pull_consumer("orders", "g", filter="color = upper('red')"))
        assert "        ^^^^^^" in str(failure)
        assert access_point.resource_manager().list_queues() == set()


def test_the_filter_of_a_queue(url: str) -> None:
    with connect(url) as access_point:
        manager = access_point.resource_manager()
        fill(access_point, 12)
        manager.filter("orders", "weight < 6")
        assert manager.get_filter("orders") == "weight < 6"
        assert manager.list_filters() == {"default://orders": "weight < 6"}
        with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            assert all_of(consumer) == [0, 3]
        with access_point.create_pull_consumer("orders", "h") as consumer:
            assert all_of(consumer) == [0, 1, 2, 3, 4, 5]
            manager.filter("orders", "")
            assert manager.get_filter("orders") is None
            assert manager.list_filters() == {}
            fill(access_point, 8)
            assert all_of(consumer) == list(range(8))
        manager.filter("orders", "FALSE")
        manager.delete_filter("orders")
        assert manager.get_filter("orders") is None
        with pytest.raises(OMSRuntimeException, match="column 8"):
            manager.filter("orders", "weight <")
        with pytest.raises(OMSDestinationException):
            manager.filter("never", RED)


def test_a_filter_survives_closing(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path / 'store'}"
    with connect(url) as access_point:
        fill(access_point, 6)
        access_point.resource_manager().filter("orders", "weight > 0")
        with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            consumer.receive(timeout=1)
    with connect(url) as access_point:
        with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            assert all_of(consumer, 1.0) == [3]
        assert (info_of(access_point)).lag == 0
