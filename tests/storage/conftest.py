import random
from collections.abc import Callable

import pytest

from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.log import Log

ROOT = "/store"
SEGMENT = f"{ROOT}/log/{0:020d}.seg"


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(random.Random(1))


@pytest.fixture
def open_log(disk: SimulatedDisk) -> Callable[..., Log]:
    def opened(**options: int) -> Log:
        return Log.open(disk, ROOT, zero_fill=True, **{"segment_bytes": 64 * 1024, "salt": 7, **options})

    return opened
