"""A queue as a table, on both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.aio import table as module


async def put(access_point: object, *rows: tuple[str, str], queue: str = "prices") -> None:
    async with access_point.create_producer() as producer:
        for key, value in rows:
            await producer.send(producer.create_message(queue, value.encode(), message_key=key))


async def rows(table: object) -> list[tuple[str, bytes]]:
    return [(message.message_key, message.data) async for message in table]


@pytest.mark.parametrize("partitions", [1, 3])
async def test_the_newest_of_each_key(url: str, partitions: int) -> None:
    async with connect(url) as access_point:
        await access_point.resource_manager().create_queue("prices", partitions=partitions, compact=True)
        table = access_point.table("prices")
        assert await rows(table) == []
        assert await table.get("a") is None
        await put(access_point, ("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", ""), ("d", "1"))
        assert sorted(await rows(table)) == [("a", b"2"), ("c", b"1"), ("d", b"1")]
        found = await table.get("a")
        assert (found.data, found.message_key) == (b"2", "a")
        assert await table.get("b") is None
        with pytest.raises(OMSRuntimeException) as caught:
            await rows(access_point.table("none"))
        assert caught.value.code == 1404


async def test_it_is_read_as_it_was(url: str) -> None:
    async with connect(url) as access_point:
        await access_point.resource_manager().create_queue("prices", compact=True)
        await put(access_point, *[(key, "1") for key in "abc"])
        found = []
        async for message in access_point.table("prices"):
            await put(access_point, ("a", "2"), ("c", ""), ("d", "1"))
            found.append((message.message_key, message.data))
        assert found == [("a", b"1"), ("b", b"1"), ("c", b"1")]


async def test_follow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(url) as access_point:
        await access_point.resource_manager().create_queue("prices", partitions=2, compact=True)
        await put(access_point, ("a", "1"), ("b", "1"))
        table = await access_point.table("prices").follow()
        assert (await table.get("a")).data == b"1"
        await put(access_point, ("a", "2"), ("b", ""), ("c", "1"))
        assert {key: message.data for key, message in (await table.messages()).items()} == {"a": b"2", "c": b"1"}
        assert await table.get("b") is None
        assert await table.changes(timeout=0.01) == []
        await put(access_point, ("c", "2"))
        assert [message.data for message in await table.changes(timeout=5)] == [b"2"]
        late = module.monotonic() + 100_000
        monkeypatch.setattr(module, "monotonic", lambda: late)
        assert len(await table.refresh()) == 6
        assert (await table.get("c")).data == b"2"


async def test_any_queue_and_messages_without_keys(memory: str) -> None:
    async with connect(memory) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message("plain", b"x"))
        await put(access_point, ("a", "1"), ("a", "2"), queue="plain")
        assert await rows(access_point.table("plain")) == [("a", b"2")]
        assert list(await (await access_point.table("plain").follow()).messages()) == ["a"]
