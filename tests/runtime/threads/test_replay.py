# Generated from tests/runtime/aio/test_replay.py by scripts/unasync.py: change that file instead.
"""Going back and looking inside, on both faces."""

from datetime import UTC, datetime

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message
from openmessaging.runtime.result import SendResult


def sent(access_point: object, keys: str, partitions: int = 1) -> list[SendResult]:
    """A queue `q` with one message per letter, sent one by one, whose body is its place in the text."""
    access_point.resource_manager().create_queue("q", partitions=partitions)
    results = []
    with access_point.create_producer() as producer:
        for number, key in enumerate(keys):
            results.append(producer.send(producer.create_message("q", b"%d" % number, message_key=key)))
    return results


def received(access_point: object, group: str = "g") -> list[bytes]:
    """What a group receives, acknowledged."""
    with access_point.create_pull_consumer("q", group) as consumer:
        found = consumer.batch_receive(100, timeout=0)
        consumer.ack(found)
        return [message.data for message in found]


def data(messages: list[Message]) -> list[bytes]:
    return [message.data for message in messages]


def test_seek_by_key(url: str) -> None:
    with connect(url) as access_point:
        sent(access_point, "abcabc")
        manager = access_point.resource_manager()
        assert len(received(access_point)) == 6
        manager.seek_group("q", "g", "key:b")
        assert received(access_point) == [b"1", b"2", b"3", b"4", b"5"]
        manager.seek_group("q", "g", "last-key:b")
        assert received(access_point) == [b"4", b"5"]
        with pytest.raises(OMSRuntimeException, match="'z'") as caught:
            manager.seek_group("q", "g", "key:z")
        assert caught.value.code == 1418
        with pytest.raises(OMSRuntimeException):
            manager.seek_group("q", "g", "last-key:z")
        assert received(access_point) == []


def test_seek_by_offset_of_some_partitions_and_by_time(url: str) -> None:
    with connect(url) as access_point:
        results = sent(access_point, "abcdefgh", partitions=2)
        manager = access_point.resource_manager()
        assert len(received(access_point)) == 8
        here = [result for result in results if result.partition == 1]
        manager.seek_group("q", "g", {1: here[1].offset})
        assert len(received(access_point)) == len(here) - 1
        manager.seek_group("q", "g", "key:" + "abcdefgh"[results.index(here[2])])
        assert len(received(access_point)) == len(here) - 2
        manager.seek_group("q", "g", datetime.fromtimestamp(0, UTC))
        assert len(received(access_point)) == 8
        manager.seek_group("q", "g", datetime(2300, 1, 1, tzinfo=UTC))
        assert received(access_point) == []
        for wrong in ({2: 0}, {0: -1}, "then", "key"):
            with pytest.raises(OMSRuntimeException) as caught:
                manager.seek_group("q", "g", wrong)
            assert caught.value.code == 1418


def test_peek_takes_nothing(url: str) -> None:
    with connect(url) as access_point:
        sent(access_point, "aaab")
        manager = access_point.resource_manager()
        with access_point.create_pull_consumer("q", "g", prefetch=1) as consumer:
            first = consumer.receive(timeout=0)
            for _ in range(3):
                assert data(manager.peek("q", "g", 2)) == [b"1", b"2"]
            first.nack(delay=0)
            peeked = manager.peek("q", "g")
            assert sorted(data(peeked)) == [b"0", b"1", b"2", b"3"]
            assert peeked[0].delivery_count is None
            assert (consumer.receive(timeout=0)).data == peeked[0].data
        with pytest.raises(OMSRuntimeException) as caught:
            manager.peek("q", "nobody")
        assert caught.value.code == 1404


def test_peek_of_a_group_with_key_order(url: str) -> None:
    with connect(url) as access_point:
        sent(access_point, "aab")
        with access_point.create_pull_consumer("q", "g", order="key") as consumer:
            manager = access_point.resource_manager()
            assert data(manager.peek("q", "g")) == data(manager.peek("q", "g")) == [b"0", b"2"]
            assert data(consumer.batch_receive(10, timeout=0)) == [b"0", b"2"]


def test_browse(url: str) -> None:
    with connect(url) as access_point:
        results = sent(access_point, "abcabcabc", partitions=2)
        manager = access_point.resource_manager()

        def browsed(*bounds: object, **options: object) -> list[bytes]:
            return [message.data for message in manager.browse("q", *bounds, **options)]

        everything = browsed()
        assert sorted(everything) == [b"%d" % number for number in range(9)]
        assert browsed(key="b") == [b"1", b"4", b"7"]
        number = results[0].partition
        mine = [b"%d" % at for at, result in enumerate(results) if result.partition == number]
        assert browsed(partition=number) == mine
        assert browsed("offset:1", "offset:2", partition=number) == mine[1:2]
        assert browsed("key:a", "last-key:a", key="a") == [b"0", b"3"]
        assert browsed("ts:0", f"ts:{results[0].store_timestamp}") == []
        assert browsed(datetime.fromtimestamp(0, UTC)) == everything
        assert browsed({number: 1}, partition=number) == mine[1:]
        assert browsed("latest") == []
        for wrong in (("x",), ("offset:x",)):
            with pytest.raises(OMSRuntimeException, match="no position"):
                browsed(*wrong)
        with pytest.raises(OMSRuntimeException, match="no partition 2"):
            browsed(partition=2)


def test_copy(url: str) -> None:
    with connect(url) as access_point:
        results = sent(access_point, "abcab")
        manager = access_point.resource_manager()
        told: list[int] = []
        end = "last-key:b"
        copy = manager.copy_queue("q", "r", "offset:1", end, progress=lambda info: told.append(info.left))
        assert (copy.source, copy.target, copy.left, told[-1]) == ("default://q", "default://r", 0, 0)
        copied = [message for message in manager.browse("r") if message.data]
        assert data(copied) == [b"1", b"2", b"3"]
        assert [message.message_id for message in copied] == [result.message_id for result in results[1:4]]
        assert manager.list_copies() == []
        for _ in range(2):
            manager.copy_queue("q", "s", name="once")
        assert (manager.describe_queue("s")).messages == 5
        assert [info.name for info in manager.list_copies()] == ["once"]
        manager.end_copy("once")
        assert manager.list_copies() == []
