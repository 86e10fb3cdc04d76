# Generated from openmessaging/runtime/aio/received.py by scripts/unasync.py: change that file instead.
"""A message that was received: the message and its hold on a lease."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openmessaging.model.message import Message
from openmessaging.model.spi import Delivery
from openmessaging.runtime.lease import DeliveryOrigin, Lease
from openmessaging.runtime.receipt import MessageReceipt


class ReceivedMessage(Message, kw_only=True, eq=False, gc=False):
    """A message under a lease: acknowledge it, or it comes back when the lease expires."""

    lease: Lease
    leased_offset: int
    """Its offset, whatever becomes of the message when it is sent on."""
    arrival: DeliveryOrigin

    @property
    def receipt(self) -> MessageReceipt:
        """Which delivery this is; its text form survives a restart."""
        arrival = self.arrival
        delivery = arrival.delivery
        return MessageReceipt(
            arrival.header("messageId", self.leased_offset - delivery.base_offset),
            delivery.destination,
            delivery.partition,
            self.leased_offset,
            delivery.attempt,
            self.lease.id,
        )

    def ack(self) -> None:
        """It is done: never deliver it again. Takes effect at once, is on disk with the next sync (`consumer.flush`).

        Again is no error. Raises OMSRuntimeException 1418 when its lease is over, or it was given back before.
        """
        self.lease.ack_one(self.leased_offset)

    def nack(self, delay: float | None = None, reason: str = "") -> None:
        """It failed: deliver it again after `delay` seconds (None: the group's back-off), or, after the last delivery,
        move it to the dead-letter queue with `reason`.

        Raises OMSRuntimeException 1418 when its lease is over, or it was acknowledged or given back before.
        """
        self.lease.nack((self.leased_offset,), delay, reason)

    def reject(self, reason: str = "") -> None:
        """It can never be handled: move it to the dead-letter queue now, with `reason`. Raises as `nack`."""
        self.lease.reject((self.leased_offset,), reason)

    def extend(self, seconds: float) -> None:
        """Keep it, and what else was delivered with it, hidden for `seconds` from now. Raises as `nack`."""
        self.lease.extend(self.leased_offset, seconds)


def received(lease: Lease, delivery: Delivery, before: DeliveryOrigin | None = None) -> list[ReceivedMessage]:
    """The messages of a delivery, at least one; see `DeliveryOrigin` for what came `before`.

    Raises OMSRuntimeException 1501 for damaged bytes.
    """
    origin = DeliveryOrigin(delivery, before)
    destination = delivery.destination
    base = delivery.base_offset
    return [
        ReceivedMessage(record, destination, origin, place, lease=lease, leased_offset=base + place, arrival=origin)
        for place, record in enumerate(origin.members, delivery.first)
    ]


def by_lease(messages: Sequence[ReceivedMessage]) -> Iterable[tuple[Lease, list[int]]]:
    """Leases, and the offsets of messages in them."""
    lease = messages[0].lease
    offsets = [message.leased_offset for message in messages if message.lease is lease]
    if len(offsets) == len(messages):
        return ((lease, offsets),)
    groups: dict[Lease, list[int]] = {}
    for message in messages:
        groups.setdefault(message.lease, []).append(message.leased_offset)
    return groups.items()
