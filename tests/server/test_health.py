"""Ready or not, and why."""

import asyncio
import time
from pathlib import Path

from openmessaging.server.health import BEAT, HealthSection, Pulse, ready
from tests.broker.stores import code_of, open_client, simulated

BOUNDS = HealthSection()


def test_a_store_that_works_is_ready(tmp_path: Path) -> None:
    client = open_client(tmp_path, disk=simulated())
    health = ready(BOUNDS, draining=False, runner=client.runner, path=str(tmp_path), lag=0.1)
    assert (health.ready, health.reasons) == (True, [])


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    disk = simulated()
    client = open_client(tmp_path, disk=disk)
    bounds = HealthSection(disk_free_bytes=1 << 60, loop_lag=0.5)
    disk.fail_sync_in = 1
    assert code_of(client.send, "x") == 1501
    health = ready(bounds, draining=True, runner=client.runner, path=str(tmp_path), lag=0.75)
    assert not health.ready
    assert [reason.partition(":")[0] for reason in health.reasons] == [
        "it is stopping",
        "the store is read-only until it is opened again",
        f"the disk has {health.reasons[2].split()[3]} bytes left, and shall have {1 << 60:,}",
        "the event loop was late by 0.8 s",
    ]
    gone = ready(BOUNDS, draining=False, runner=None, path=str(tmp_path / "gone"), lag=0.0)
    assert gone.reasons == ["the directory of the store cannot be read: No such file or directory"]


def test_a_closed_store_is_not_ready(tmp_path: Path) -> None:
    client = open_client(tmp_path, disk=simulated())
    client.close()
    assert ready(BOUNDS, draining=False, runner=client.runner, path="", lag=0.0).reasons == ["the store is closed"]


def test_a_loop_that_is_late_is_noticed() -> None:
    async def work() -> float:
        beaten = asyncio.Event()
        pulse = Pulse(beaten.set)
        pulse.start()
        await asyncio.sleep(0)
        time.sleep(BEAT + 0.2)  # noqa: ASYNC251 - what it is to notice
        await beaten.wait()
        pulse.stop()
        return pulse.lag

    assert 0.15 < asyncio.run(asyncio.wait_for(work(), 10)) < 2
