"""A real server with JetStream for each file of tests."""

import os
import secrets
from collections.abc import Iterator

import pytest

from openmessaging.testing.servers import Missing, Nats

SYNCED = {"sync_always": True}
"""What the servers of the tests do."""


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    try:
        Nats.require()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with Nats() as running:
        yield running


@pytest.fixture
def queue() -> str:
    """A queue of the test's own."""
    return f"q-{secrets.token_hex(4)}"
