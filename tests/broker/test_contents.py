"""From offsets to stored bytes."""

from __future__ import annotations

import pytest

from openmessaging.broker.contents import StoredContents
from openmessaging.broker.entry import Lease
from openmessaging.model.message import Record
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.memory import MemoryLog
from tests.broker.stores import QUEUE, code_of, failure_of, open_client


@pytest.fixture
def client(tmp_path):
    client = open_client(tmp_path)
    for batch in ("ab", "c", "def"):
        client.send(*(Record(key.encode(), key if key != "c" else None) for key in batch))
    yield client
    client.close()


def test_keys_and_messages_by_offset(client):
    contents = client.runner.contents
    number = client.runner.engine.queue(QUEUE).partitions[0].id
    assert contents.keys(number, 0, 6) == ["a", "b", None, "d", "e", "f"]
    assert contents.keys(number, 1, 4) == ["b", None, "d"]
    header, shared, record, place = contents.message(number, 4)
    assert (header.count, shared, record.data, place) == (3, {"bornHost": "here"}, b"e", 1)
    assert contents.store_ms(number, 4) >= contents.store_ms(number, 0)


def test_a_lease_over_several_batches_gives_a_delivery_each(client):
    contents = client.runner.contents
    number = client.runner.engine.queue(QUEUE).partitions[0].id
    lease = Lease(9, 1, number, 1, 5, 2, 77)
    found = contents.deliveries(QUEUE, 0, lease, contents.spans(lease), {})
    assert [(d.base_offset, d.first, d.last) for d in found] == [(0, 1, 2), (2, 0, 1), (3, 0, 2)]
    assert {(d.lease_id, d.attempt, d.deadline_ms) for d in found} == {(9, 2, 77)}


def test_what_the_index_does_not_have_is_an_error_with_the_offset(client):
    contents = client.runner.contents
    number = client.runner.engine.queue(QUEUE).partitions[0].id
    assert "offset 6" in failure_of(contents.store_ms, number, 6).reason
    assert code_of(contents.store_ms, 99, 0) == 1501


def test_many_batches_are_read_through_a_small_cache(client):
    for batch in range(200):
        client.send(Record(b"x", f"key {batch}"))
    contents = client.runner.contents
    number = client.runner.engine.queue(QUEUE).partitions[0].id
    for _ in range(2):
        assert contents.keys(number, 6, 206) == [f"key {batch}" for batch in range(200)]
    assert len(contents._decoded) <= 64


def test_damage_without_anybody_to_repair_it_is_told():
    class Damaged(PartitionIndexes):
        def find(self, partition_id, offset):
            from openmessaging.storage.index import IndexDamaged

            raise IndexDamaged(partition_id, "it is damaged")

    contents = StoredContents(MemoryLog(), Damaged(None, ""))
    assert "it is damaged" in failure_of(contents.store_ms, 1, 0).reason
