"""Positions in a queue as users write them, and the keys of messages.

A position is a text (`earliest`, `latest`, `offset:<n>`, `ts:<ms>`, `key:<k>`, `last-key:<k>`), a datetime (of this
machine's zone unless it says another), or an offset for some of the partitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Message, partition_of_key
from openmessaging.model.spi import Delivery, QueueInfo
from openmessaging.runtime.lease import DeliveryOrigin

Position = str | datetime | Mapping[int, int]
"""Where to begin: see the module."""
READ_MESSAGES = 500
"""Messages read at once."""


def as_text(position: str | datetime) -> str:
    """A position as text, a datetime as `ts:<ms>`."""
    return position if isinstance(position, str) else f"ts:{int(position.timestamp() * 1000)}"


def split_key(text: str) -> tuple[str, bool] | None:
    """The key that a position names, and whether its last message is meant; None for a position of another kind."""
    kind, mark, key = text.partition(":")
    return (key, kind == "last-key") if mark and kind in ("key", "last-key") else None


def per_partition(offsets: Mapping[int, int], info: QueueInfo) -> list[int | None]:
    """Offsets of some partitions as a list of all. Raises OMSRuntimeException 1418 for a partition that is not there or
    a negative offset."""
    count = len(info.offsets)
    found: list[int | None] = [None] * count
    for partition, offset in offsets.items():
        if not 0 <= partition < count or offset < 0:
            step = f"{info.name} has {count} partitions, numbered from 0; offsets begin with 0"
            raise error(1418, f"partition {partition}, offset {offset}", next_step=step, field="position")
        found[partition] = offset
    return found


def placed_by_key(offset: int | None, partition: int, info: QueueInfo) -> list[int | None]:
    """One partition's offset as a list of all partitions."""
    return [offset if number == partition else None for number in range(len(info.offsets))]


def partitions_of(key: str, info: QueueInfo) -> list[int]:
    """All partitions, first the one that producers choose for a key, with its lanes."""
    base = partition_of_key(key, info.partitions)
    first = [base, *(number for number, (of, _) in enumerate(info.lanes, info.partitions) if of == base)]
    return first + [number for number in range(len(info.offsets)) if number not in first]


def messages_of(deliveries: Sequence[Delivery]) -> list[Message]:
    """The messages of deliveries that were read without a lease. Raises OMSRuntimeException 1501 for damage."""
    messages: list[Message] = []
    origin: DeliveryOrigin | None = None
    for delivery in deliveries:
        origin = DeliveryOrigin(delivery, origin)
        name = delivery.destination
        messages += [
            Message(record, name, origin, place) for place, record in enumerate(origin.members, delivery.first)
        ]
    return messages


def end_of(deliveries: Sequence[Delivery]) -> int:
    """The offset after the last message of deliveries, at least one."""
    return deliveries[-1].base_offset + deliveries[-1].last


def no_position(text: str) -> OMSRuntimeException:
    """The error for a text that is no position."""
    step = "Use earliest, latest, offset:<n>, ts:<ms>, key:<key> or last-key:<key>"
    return error(1418, f"{text!r} is no position", next_step=step, field="position")
