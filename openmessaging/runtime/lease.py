"""A delivery in a consumer's hands: decoded once, the origin of its messages, and the book of what is settled.

Settling is in memory at once on both faces (the SPI's `ack` never waits), so no cancelled task leaves it half done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from openmessaging.model.batch import OWN_IDS, decode
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery


class Settler(Protocol):
    """What a lease needs of a subscription; both faces have it."""

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle."""
        ...

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give back as failed."""
        ...

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give back as never handled."""
        ...

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let it last longer."""
        ...


class DeliveryOrigin:
    """The provider's values of the messages of one delivery."""

    __slots__ = ("base", "delivery", "header_", "records", "shared")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.base = delivery.base_offset
        self.header_, self.shared, self.records = decode(delivery.data)

    @property
    def members(self) -> list[Record]:
        """The records that were delivered."""
        delivery = self.delivery
        if delivery.first == 0 and delivery.last == len(self.records):
            return self.records
        return self.records[delivery.first : delivery.last]

    def header(self, name: str, position: int) -> Any:
        """The provider's value of a header field, None when it has none."""
        if name == "messageId":
            own = self.records[position].headers if self.header_.attributes & OWN_IDS else None
            return (own and own.get(name)) or self.header_.message_id(position)
        if name == "partition":
            return self.delivery.partition
        if name == "offset":
            return self.base + position
        if name == "deliveryCount":
            return self.delivery.attempt if self.delivery.lease_id else None
        if name == "storeTimestamp":
            return self.delivery.store_ms
        if name == "bornTimestamp":
            return self.header_.born_ms
        return self.shared.get(name)


class Lease(DeliveryOrigin):
    """A delivery under a lease; `pending` holds the places not settled yet. Safe for threads."""

    __slots__ = ("_mutex", "failed", "lease_id", "pending", "settler")

    def __init__(self, settler: Settler, delivery: Delivery) -> None:
        super().__init__(delivery)
        self.settler = settler
        self.lease_id = delivery.lease_id
        self.pending = set(range(delivery.first, delivery.last))
        self.failed: set[int] = set()
        self._mutex = threading.Lock()

    def ack_one(self, position: int) -> None:
        """Settle one message; again is no error, after a nack it is one (1418). Raises 1418 when the lease is over."""
        with self._mutex:
            pending = self.pending
            if position not in pending:
                self._check_not_failed((position,))
                return
            pending.remove(position)
            try:
                self.settler.ack(self.lease_id, (self.base + position,) if pending else None)
            except BaseException:
                pending.add(position)
                raise

    def ack(self, positions: Sequence[int]) -> None:
        """Settle several messages; as `ack_one`."""
        with self._mutex:
            fresh = self._take(positions)
            if not fresh:
                return
            try:
                self.settler.ack(self.lease_id, [self.base + place for place in fresh] if self.pending else None)
            except BaseException:
                self.pending.update(fresh)
                raise

    def nack(self, positions: Sequence[int], delay: float | None, reason: str) -> None:
        """Give messages back as failed. Raises OMSRuntimeException 1418 for one that is settled, or a lease over."""
        with self._mutex:
            self._check_pending(positions)
            self.settler.nack(self.lease_id, [self.base + place for place in positions], delay, reason)
            self.pending.difference_update(positions)
            self.failed.update(positions)

    def release(self, positions: Iterable[int]) -> None:
        """Give messages back that were never handled; those settled meanwhile, and a lease over, are left alone."""
        with self._mutex:
            back = sorted(self.pending.intersection(positions))
            self.pending.difference_update(back)
            self.failed.update(back)
            if back:
                release(self.settler, self.lease_id, [self.base + place for place in back])

    def extend(self, position: int, seconds: float) -> None:
        """Let the lease last `seconds` from now. Raises OMSRuntimeException 1418 when it, or the message, is settled."""
        with self._mutex:
            self._check_pending((position,))
            self.settler.extend(self.lease_id, seconds)

    def renew(self, seconds: float) -> None:
        """Let the lease last while something of it is pending; one that is over is left alone."""
        with self._mutex:
            if self.pending:
                try:
                    self.settler.extend(self.lease_id, seconds)
                except OMSRuntimeException as failure:
                    if failure.code != 1418:
                        raise

    def _take(self, positions: Sequence[int]) -> Sequence[int]:
        """Move places out of `pending`; returns those that were in it."""
        pending = self.pending
        self._check_not_failed(positions)
        before = len(pending)
        if before >= len(positions) and pending.issuperset(positions):
            pending.difference_update(positions)
            if before - len(pending) == len(positions):
                return positions
            return list(dict.fromkeys(positions))
        fresh = [place for place in dict.fromkeys(positions) if place in pending]
        pending.difference_update(fresh)
        return fresh

    def _check_pending(self, positions: Iterable[int]) -> None:
        self._check_not_failed(positions)
        if not self.pending.issuperset(positions):
            raise _settled("acknowledged")

    def _check_not_failed(self, positions: Iterable[int]) -> None:
        if not self.failed.isdisjoint(positions):
            raise _settled("given back")


def release(settler: Settler, lease_id: int, offsets: Sequence[int] | None) -> None:
    """Give messages back uncounted; a lease that is over needs no giving back."""
    try:
        settler.release(lease_id, offsets)
    except OMSRuntimeException as failure:
        if failure.code not in (1418, 1503):
            raise


def _settled(how: str) -> OMSRuntimeException:
    return error(1418, f"the message was {how} before", next_step="Settle each delivery once", field="receipt")
