import threading
from collections.abc import Iterator

import pytest

from openmessaging import blocking as oms
from openmessaging.cli.browse import browse


@pytest.fixture
def access_point() -> Iterator[oms.AccessPoint]:
    with oms.connect("oms:memory:browse") as opened:
        opened.resource_manager().create_queue("orders", partitions=3)
        yield opened


def send(access_point: oms.AccessPoint, *keys: str) -> None:
    with access_point.create_producer() as producer:
        producer.send([producer.create_message("orders", key.encode(), message_key=key) for key in keys])


def test_all_partitions_from_the_beginning(access_point: oms.AccessPoint) -> None:
    keys = [str(number) for number in range(1_700)]
    send(access_point, *keys)
    found = [message for messages in browse(access_point, "orders", 0.0) for message in messages]
    assert sorted(message.data.decode() for message in found) == sorted(keys)
    places = [(message.partition, message.offset) for message in found]
    assert len({partition for partition, _ in places}) == 3
    assert len(set(places)) == len(places)


def test_from_a_place(access_point: oms.AccessPoint) -> None:
    send(access_point, *("same",) * 4)
    partition = next(browse(access_point, "orders", 0.0))[0].partition or 0
    found = [message.offset for messages in browse(access_point, "orders", 0.0, {partition: 3}) for message in messages]
    assert found == [3]


def test_waits_for_more(access_point: oms.AccessPoint) -> None:
    send(access_point, "first")
    looking = browse(access_point, "orders", None)
    assert [message.data for message in next(looking)] == [b"first"]
    later = threading.Timer(0.3, send, (access_point, "second"))
    later.start()
    assert [message.data for message in next(looking)] == [b"second"]
    later.join()


def test_no_queue(access_point: oms.AccessPoint) -> None:
    with pytest.raises(oms.OMSDestinationException):
        next(browse(access_point, "nothing", 0.0))
