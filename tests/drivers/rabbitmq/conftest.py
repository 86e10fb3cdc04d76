"""A real RabbitMQ for the tests of its driver."""

import os
from collections.abc import Iterator

import pytest

from openmessaging.testing.servers.rabbitmq import Rabbitmq
from openmessaging.testing.servers.server import Missing


@pytest.fixture(scope="package")
def rabbit() -> Iterator[Rabbitmq]:
    try:
        Rabbitmq.require()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with Rabbitmq() as server:
        yield server
