"""Dead letters of a group: those that were not sent back, and sending them back.

A consumer group of its own on the dead-letter queue, `redrive`, knows what was sent back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from openmessaging import blocking as oms
from openmessaging.cli.browse import browse
from openmessaging.model.errors import OMSDestinationException, unsupported
from openmessaging.model.spi import GroupConfig, SubscriptionSpec

GROUP = "redrive"
AT_ONCE = 500
MAX_BYTES = 8 << 20


@runtime_checkable
class Mover(Protocol):
    """A subscription that can send messages to another queue and settle them in one step."""

    def move(self, lease_id: int, offsets: Sequence[int] | None, target: str | None) -> None:
        """Send offsets of a lease to `target` (None: where each came from), without what they gained when they died."""
        ...


def letters(access_point: oms.AccessPoint, queue: str, group: str) -> Iterator[oms.Message]:
    """The dead letters that were not sent back, the oldest first. Raises OMSDestinationException 1404 for a missing
    queue or group; a group without dead letters has none."""
    manager = access_point.resource_manager()
    name = manager.describe_group(queue, group).dead_letter_queue
    try:
        groups = manager.list_groups(name)
    except OMSDestinationException:
        return
    begin = {at: floor for info in groups if info.name == GROUP for at, floor in enumerate(info.floors)}
    for messages in browse(access_point, name, 0.0, begin):
        yield from messages


class Redrive:
    """Sends dead letters back. Raises OMSDestinationException 1404 for a missing queue or group."""

    def __init__(self, access_point: oms.AccessPoint, queue: str, group: str, target: str | None) -> None:
        self._access_point = access_point
        self._target = None if target is None else access_point.full(target)
        self.dead_letter_queue = access_point.resource_manager().describe_group(queue, group).dead_letter_queue
        self.waiting = sum(1 for _ in letters(access_point, queue, group))
        """Dead letters there were at the beginning; those that die again meanwhile are left."""

    def run(self, count: int, rate: float | None, advance: Callable[[int], None]) -> int:
        """Send up to `count` back, at most `rate` a second; how many it were.

        Raises OMSUnsupportException where the system cannot do it in one step, OMSRuntimeException 1418 for a message
        that does not say where it came from, OMSDestinationException 1404 for a queue that is gone.
        """
        moved = 0
        if not count:
            return moved
        spec = SubscriptionSpec(self.dead_letter_queue, GROUP, GroupConfig())
        subscription = self._access_point.get_driver().subscribe(spec)
        if not isinstance(subscription, Mover):
            raise unsupported("redrive", next_step="Receive from the dead-letter queue and send to the other")
        began = time.monotonic()
        while moved < count:
            deliveries = subscription.fetch(1 if rate else min(count - moved, AT_ONCE), MAX_BYTES, 0.0)
            if not deliveries:
                break
            for lease_id in dict.fromkeys(delivery.lease_id for delivery in deliveries):
                try:
                    subscription.move(lease_id, None, self._target)
                except BaseException:
                    subscription.release(lease_id, None)
                    raise
            more = sum(delivery.last - delivery.first for delivery in deliveries)
            moved += more
            advance(more)
            if rate and moved < count:
                time.sleep(max(0.0, began + moved / rate - time.monotonic()))
        return moved
