"""A message that was received: the message and its hold on a lease."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from openmessaging.model.message import Message
from openmessaging.model.spi import Delivery
from openmessaging.runtime.lease import Lease, Settler
from openmessaging.runtime.receipt import MessageReceipt


class ReceivedMessage(Message, kw_only=True, eq=False):
    """A message under a lease: acknowledge it, or it comes back when the lease expires."""

    lease: Lease
    place: int
    """Its place in the lease."""

    @property
    def receipt(self) -> MessageReceipt:
        """Which delivery this is; its text form survives a restart."""
        lease = self.lease
        delivery = lease.delivery
        return MessageReceipt(
            lease.header("messageId", self.place),
            delivery.destination,
            delivery.partition,
            lease.base + self.place,
            delivery.attempt,
            lease.lease_id,
        )

    async def ack(self) -> None:
        """It is done: never deliver it again. Takes effect at once, is on disk with the next sync (`consumer.flush`).

        Again is no error. Raises OMSRuntimeException 1418 when its lease is over, or it was given back before.
        """
        self.lease.ack_one(self.place)

    async def nack(self, delay: float | None = None, reason: str = "") -> None:
        """It failed: deliver it again after `delay` seconds (None: the group's back-off), or, after the last delivery,
        move it to the dead-letter queue with `reason`.

        Raises OMSRuntimeException 1418 when its lease is over, or it was acknowledged or given back before.
        """
        self.lease.nack((self.place,), delay, reason)

    async def extend(self, seconds: float) -> None:
        """Keep it, and what else was delivered with it, hidden for `seconds` from now. Raises as `nack`."""
        self.lease.extend(self.place, seconds)


def received(settler: Settler, delivery: Delivery) -> list[ReceivedMessage]:
    """The messages of a delivery, decoded here. Raises OMSRuntimeException 1501 for damaged bytes."""
    lease = Lease(settler, delivery)
    destination = delivery.destination
    return [
        ReceivedMessage(record, destination, lease, place, lease=lease, place=place)
        for place, record in enumerate(lease.members, delivery.first)
    ]


def by_lease(messages: Sequence[ReceivedMessage]) -> Iterable[tuple[Lease, list[int]]]:
    """Leases and the places of messages in them; runs of one lease stay together."""
    lease = messages[0].lease
    places = [message.place for message in messages if message.lease is lease]
    if len(places) == len(messages):
        return [(lease, places)]
    return [(lease, [message.place for message in run]) for lease, run in groupby(messages, _lease_of)]


def _lease_of(message: ReceivedMessage) -> Lease:
    return message.lease
