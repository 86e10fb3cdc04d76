"""The way that a message came, in a property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openmessaging.model.routing import Route

HOPS = "route.hops"
"""Property that says which way a message came, with `trace`: a hop is `route(queue/partition/offset)`."""


def with_hop(route: Route, partition: int, offset: int, properties: Mapping[str, Any] | None) -> dict[str, Any]:
    """Properties with one more hop: the message's place in the source of a route."""
    hop = f"{_bare(route.name)}({_bare(route.source)}/{partition}/{offset})"
    before = (properties or {}).get(HOPS)
    return {**(properties or {}), HOPS: f"{before} {hop}" if isinstance(before, str) else hop}


def _bare(name: str) -> str:
    return name.partition("://")[2]
