# Generated from tests/runtime/aio/test_table.py by scripts/unasync.py: change that file instead.
"""A queue as a table, on both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.threads import table as module


def put(access_point: object, *rows: tuple[str, str], queue: str = "prices") -> None:
    with access_point.create_producer() as producer:
        for key, value in rows:
            producer.send(producer.create_message(queue, value.encode(), message_key=key))


def rows(table: object) -> list[tuple[str, bytes]]:
    return [(message.message_key, message.data) for message in table]


@pytest.mark.parametrize("partitions", [1, 3])
def test_the_newest_of_each_key(url: str, partitions: int) -> None:
    with connect(url) as access_point:
        access_point.resource_manager().create_queue("prices", partitions=partitions, compact=True)
        table = access_point.table("prices")
        assert rows(table) == []
        assert table.get("a") is None
        put(access_point, ("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", ""), ("d", "1"))
        assert sorted(rows(table)) == [("a", b"2"), ("c", b"1"), ("d", b"1")]
        found = table.get("a")
        assert (found.data, found.message_key) == (b"2", "a")
        assert table.get("b") is None
        with pytest.raises(OMSRuntimeException) as caught:
            rows(access_point.table("none"))
        assert caught.value.code == 1404


def test_it_is_read_as_it_was(url: str) -> None:
    with connect(url) as access_point:
        access_point.resource_manager().create_queue("prices", compact=True)
        put(access_point, *[(key, "1") for key in "abc"])
        found = []
        for message in access_point.table("prices"):
            put(access_point, ("a", "2"), ("c", ""), ("d", "1"))
            found.append((message.message_key, message.data))
        assert found == [("a", b"1"), ("b", b"1"), ("c", b"1")]


def test_follow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(url) as access_point:
        access_point.resource_manager().create_queue("prices", partitions=2, compact=True)
        put(access_point, ("a", "1"), ("b", "1"))
        table = access_point.table("prices").follow()
        assert (table.get("a")).data == b"1"
        put(access_point, ("a", "2"), ("b", ""), ("c", "1"))
        assert {key: message.data for key, message in (table.messages()).items()} == {"a": b"2", "c": b"1"}
        assert table.get("b") is None
        assert table.changes(timeout=0.01) == []
        put(access_point, ("c", "2"))
        assert [message.data for message in table.changes(timeout=5)] == [b"2"]
        late = module.monotonic() + 100_000
        monkeypatch.setattr(module, "monotonic", lambda: late)
        assert len(table.refresh()) == 6
        assert (table.get("c")).data == b"2"


def test_any_queue_and_messages_without_keys(memory: str) -> None:
    with connect(memory) as access_point:
        with access_point.create_producer() as producer:
            producer.send(producer.create_message("plain", b"x"))
        put(access_point, ("a", "1"), ("a", "2"), queue="plain")
        assert rows(access_point.table("plain")) == [("a", b"2")]
        assert list((access_point.table("plain").follow()).messages()) == ["a"]
