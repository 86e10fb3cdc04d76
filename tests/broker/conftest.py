"""A store on a real directory with a clock that the test moves."""

from __future__ import annotations

import pytest

from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import open_client


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def client(tmp_path, clock):
    client = open_client(tmp_path, clock=clock)
    yield client
    client.close()
