"""A Mosquitto for the tests of a module; every test has queues of its own."""

import uuid
from collections.abc import Iterator

import pytest

from openmessaging.testing.servers import Server
from openmessaging.testing.servers.mosquitto import Mosquitto
from tests.drivers.real import real


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with real(Mosquitto) as started:
        yield started


@pytest.fixture
def queue() -> str:
    return f"orders.{uuid.uuid4().hex[:8]}"
