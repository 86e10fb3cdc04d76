"""A batch that is sent again is found if it was stored, wherever it went."""

import pytest

from openmessaging.broker.resent import find_sent
from openmessaging.model.batch import encode
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, Timing
from openmessaging.model.timing import pack_times
from tests.broker.stores import QUEUE, open_client


def outgoing(number: int, *, queue: str = QUEUE, partition: int | None = None, timing: Timing | None = None):
    batch = encode([Record(b"x")], shared=b"\x80", born_ms=5, producer_id=7, first_sequence=number)
    return OutgoingBatch(queue, partition, batch, None, timing)


@pytest.mark.parametrize("flush", ["always", "never"])
def test_it_is_found_where_it_lies(tmp_path, clock, flush):
    client = open_client(tmp_path, clock=clock, flush=flush)
    client.runner.change(lambda engine, now_ms: engine.decide_create_queue(now_ms, QUEUE, 3, {}))
    for number in range(50):
        (placement,) = client.runner.send([outgoing(number, partition=number % 3)])
        assert find_sent(client.runner, outgoing(number), 0) == placement
        assert find_sent(client.runner, outgoing(number + 1), 0) is None
        clock.advance(1.0)
    client.close()


def test_only_what_was_stored_since_is_looked_at(client, clock):
    client.runner.send([outgoing(1)])
    clock.advance(10.0)
    assert find_sent(client.runner, outgoing(1), clock.now_ms() - 5_000) is None
    assert find_sent(client.runner, outgoing(1), clock.now_ms() - 15_000) is not None


def test_a_delayed_one_is_found_on_its_shelf(client, clock):
    late = outgoing(1, timing=Timing(pack_times([clock.now_ms() + 60_000])))
    client.runner.send([late])
    assert find_sent(client.runner, late, 0) is not None


def test_no_queue_no_batch(client):
    assert find_sent(client.runner, outgoing(1, queue="default://other"), 0) is None
