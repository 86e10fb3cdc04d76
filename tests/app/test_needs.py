"""What an app makes when it starts."""

from pathlib import Path

import msgspec
import pytest

import openmessaging as oms
from openmessaging.testing import TestApp


async def test_queues_are_made_with_their_settings_and_kept(tmp_path: Path) -> None:
    for compact in (False, True):
        app = oms.App(f"oms:embedded://{tmp_path}/store")
        app.queue("prices", 4, compact=compact)
        async with app:
            info = await app.access_point.resource_manager().describe_queue("prices")
            assert (len(info.offsets), info.config["compact"]) == (4, compact)
    app = oms.App("oms:memory:never-opened")
    app.queue("prices", colour="red")
    with pytest.raises(oms.OMSRuntimeException, match="colour"):
        await app.start()


async def test_schedules_send_while_time_passes() -> None:
    app = oms.App("oms:memory:never-opened")
    app.schedule("closing", "closings", {"shop": 1}, every=3600.0, count=30)

    @app.listener("closings")
    async def close(shop: dict[str, int]) -> None: ...

    async with TestApp(app) as test:
        await test.advance(3599.0)
        assert test.received(close) == []
        await test.advance(1.0 + 9 * 3600.0)
        assert test.received(close) == [{"shop": 1}] * 10
        await test.advance(100 * 3600.0)
        assert len(test.received(close)) == 30


async def test_a_schedule_goes_on_over_restarts_and_takes_new_settings(tmp_path: Path) -> None:
    sent = []
    for every in (3600.0, 3600.0, 60.0):
        app = oms.App(f"oms:embedded://{tmp_path}/store")
        app.schedule("closing", "closings", b"x", every=every)
        async with app:
            info = await app.access_point.resource_manager().describe_schedule("closing")
            sent.append(msgspec.structs.asdict(info))
    assert sent[0] == sent[1] != sent[2]
    app = oms.App("oms:memory:never-opened")
    app.schedule("closing", "closings", b"x")
    with pytest.raises(oms.OMSRuntimeException, match="cron"):
        await app.start()
