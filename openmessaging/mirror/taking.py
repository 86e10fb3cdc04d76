"""Messages of a source on their way: everything that was said about one is in its own headers, its place beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from openmessaging.model.batch import HOLE, decode, with_own
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery, Driver, QueueInfo

_OF_THE_PLACE = ("destination", "partition", "offset", "storeTimestamp", "deliveryCount", "messageKey")
"""Header fields that say where a message lies, not what it is."""


class Taken(msgspec.Struct, gc=False):
    """A message that was read from a source."""

    record: Record
    partition: int
    """Partition of the source; of a lane, the one it belongs to."""
    offset: int | None
    """Where it lay in what was read; None where the source has no offsets."""

    @property
    def message_id(self) -> str:
        """Its id."""
        found: str = (self.record.headers or {})["messageId"]
        return found


def taken(deliveries: Iterable[Delivery], partition: int | None = None) -> list[Taken]:
    """The messages of deliveries. Raises OMSRuntimeException 1501 for damage."""
    found: list[Taken] = []
    for delivery in deliveries:
        header, shared, records = decode(delivery.data)
        for place in range(delivery.first, delivery.last):
            if records[place] is HOLE:
                continue
            own = with_own(header, shared, records[place], place)
            headers = own.headers or {}
            known = delivery.base_offset + place if delivery.base_offset >= 0 else headers.get("offset")
            own.headers = {name: value for name, value in headers.items() if name not in _OF_THE_PLACE}
            found.append(Taken(own, delivery.partition if partition is None else partition, known))
    return found


def after(deliveries: Sequence[Delivery], messages: Sequence[Taken]) -> int:
    """The offset behind deliveries that were read."""
    last = deliveries[-1]
    if last.base_offset >= 0:
        return last.base_offset + last.last
    return max(each.offset for each in messages if each.offset is not None) + 1


def base_of(info: QueueInfo, number: int) -> int:
    """The partition that a partition or lane of a queue belongs to."""
    return number if number < info.partitions else info.lanes[number - info.partitions][0]


async def begin_at(driver: Driver, info: QueueInfo, number: int, start: str) -> int:
    """The offset that `earliest`, `latest`, `offset:<n>` or `ts:<ms>` means in a partition or lane."""
    first, following = info.offsets[number]
    kind, _, value = start.partition(":")
    if start == "latest":
        return following
    if kind == "offset":
        return min(max(int(value), first), following)
    if kind == "ts":
        return await driver.find_time(info.name, number, int(value))
    return first
