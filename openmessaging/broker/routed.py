"""Operations of routes: see `routing`."""

from __future__ import annotations

from typing import Any

from openmessaging.broker.operation import Operation


class CreateRoute(Operation, tag=60, frozen=True):
    """A route comes into being; its group does in the same entry, before it."""

    definition: dict[str, Any]
    """A `Route`."""
    group_id: int


class DeleteRoute(Operation, tag=61, frozen=True):
    """A route goes; its group does in the same entry."""

    name: str


class Routed(Operation, tag=62, frozen=True):
    """Messages that this entry leases and settles went through a route; those that go on are batches of this entry."""

    name: str
    routed: int
    dropped: int
    dead: int
    seen: list[tuple[int, bytes]]
    """What its deduplicators remember: store time, and the digests of the messages stored then, one behind another."""
