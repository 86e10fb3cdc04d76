"""A queue of each test's own; the server is the session's (`pulsar_server`)."""

import secrets

import pytest

SYNCED = {"durability": "fsync"}
"""What the server of the tests does."""


@pytest.fixture
def queue() -> str:
    return f"q-{secrets.token_hex(4)}"
