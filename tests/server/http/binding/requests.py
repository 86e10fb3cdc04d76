"""Requests of the static binding."""

from __future__ import annotations

from typing import Any

import httpx

version = {"x-oms-version": "1.0.0"}


def produce(client: httpx.Client, queue: str, body: bytes = b"", **fields: str) -> httpx.Response:
    """Send a message."""
    return client.post("/", headers={**version, "x-oms-h-destination": queue, **fields}, content=body)


def consuming(queue: str, group: str = "group", **fields: str) -> dict[str, str]:
    """The fields of a request that consumes."""
    return {**version, "x-oms-consumerid": group, "x-oms-source": queue, **fields}


def consumed(client: httpx.Client, queue: str, group: str = "group", **fields: str) -> httpx.Response:
    """Pull a message."""
    return client.post("/", headers=consuming(queue, group, **fields))


def settled(client: httpx.Client, receipt: str, group: str = "group", **fields: Any) -> httpx.Response:
    """Settle a message."""
    return client.post("/", headers={**version, "x-oms-consumerid": group, "x-oms-receipt": receipt, **fields})
