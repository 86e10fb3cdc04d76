"""Looking at the messages of a queue without a group, all partitions in turn."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from openmessaging import blocking as oms

READ = 500
TURN = 0.2
"""Seconds for a look at all partitions that have nothing."""


def browse(
    access_point: oms.AccessPoint, queue: str, wait: float | None, begin: dict[int, int] | None = None
) -> Iterator[list[oms.Message]]:
    """Messages from the oldest on, or from an offset per partition; ends after `wait` seconds without one (None:
    never). Raises OMSDestinationException 1404."""
    info = access_point.resource_manager().describe_queue(queue)
    positions = {number: first for number, (first, _) in enumerate(info.offsets)} | (begin or {})
    with access_point.create_pull_consumer() as reader:
        arrived = monotonic()
        turn = 0.0
        while True:
            found = False
            for partition, offset in positions.items():
                messages = reader.receive_from(
                    queue, partition, offset, max_messages=READ, timeout=turn / len(positions)
                )
                if messages:
                    positions[partition] = (messages[-1].offset or 0) + 1
                    found = True
                    yield messages
            now = monotonic()
            if found:
                arrived = now
            left = TURN if wait is None else arrived + wait - now
            if not found and left <= 0:
                return
            turn = 0.0 if found else min(left, TURN)
