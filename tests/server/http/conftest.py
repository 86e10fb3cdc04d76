"""A node that answers HTTP, and clients of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import Serving, serving


@pytest.fixture(scope="module")
def node() -> Iterator[Serving]:
    with serving(f"oms:memory:{uuid.uuid4().hex}", http={"listen": "127.0.0.1:0"}) as running:
        yield running


@pytest.fixture
def client(node: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=node.http, timeout=20) as made:
        yield made


@pytest.fixture
def queue() -> str:
    """A name that no other test has."""
    return f"q-{uuid.uuid4().hex[:12]}"
