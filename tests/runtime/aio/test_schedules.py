"""Schedules through the resource manager, both faces."""

import time

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Capability


async def test_messages_come_by_themselves(url: str) -> None:
    async with connect(url) as access_point:
        manager = access_point.resource_manager()
        before = time.time()
        info = await manager.create_schedule(
            "tick", "ticks", b"now", every=0.1, count=3, message_key="k", properties={"color": "red"}, priority=7
        )
        assert (info.name, info.queue, info.every, info.count, info.sent) == ("tick", "default://ticks", 0.1, 3, 0)
        async with access_point.create_pull_consumer("ticks", group="g") as consumer:
            received = [await consumer.receive(timeout=10) for _ in range(3)]
        assert [(each.data, each.message_key) for each in received] == [(b"now", "k")] * 3
        assert len({each.message_id for each in received}) == 3
        times = [each.properties["schedule.time"] for each in received]
        assert [later - times[0] for later in times] == [0, 100, 200]
        assert times[0] >= before * 1000
        assert {each.properties["schedule.name"] for each in received} == {"tick"}
        assert {(each.properties["color"], each.extension_header.priority) for each in received} == {("red", 7)}
        info = await manager.describe_schedule("tick")
        assert (info.over, info.sent) == (True, 3)


async def test_they_are_listed_paused_and_deleted(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_schedule("b", "q", b"", every=3600)
        await manager.create_schedule("a", "q", b"", cron="0 3 * * *", zone="Europe/Berlin")
        assert [(info.name, info.cron, info.zone) for info in await manager.list_schedules()] == [
            ("a", "0 3 * * *", "Europe/Berlin"),
            ("b", None, "UTC"),
        ]
        assert (await manager.pause_schedule("a")).paused
        assert (await manager.describe_schedule("a")).next_ms is None
        assert (await manager.resume_schedule("a")).next_ms > time.time() * 1000
        with pytest.raises(OMSRuntimeException, match="already"):
            await manager.create_schedule("a", "q", b"", every=60)
        assert (await manager.create_schedule("a", "q", b"", every=60, replace=True)).every == 60
        await manager.delete_schedule("a")
        assert [info.name for info in await manager.list_schedules()] == ["b"]
        for call in (manager.delete_schedule, manager.pause_schedule, manager.resume_schedule):
            with pytest.raises(OMSDestinationException):
                await call("a")
        with pytest.raises(OMSDestinationException):
            await manager.describe_schedule("a")


async def test_where_there_are_none(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(memory) as access_point:
        driver = await access_point.get_driver()
        monkeypatch.setattr(driver, "capabilities", driver.capabilities - {Capability.SCHEDULE})
        with pytest.raises(OMSUnsupportException, match="schedule"):
            await access_point.resource_manager().create_schedule("s", "q", b"", every=60)
