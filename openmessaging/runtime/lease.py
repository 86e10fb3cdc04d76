"""A lease in a consumer's hands: the book of what is settled; and the origin of the messages of a delivery.

Settling is in memory at once on both faces (the SPI's `ack` never waits), so no cancelled task leaves it half done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from openmessaging.model.batch import AT_MOST_ONCE, OWN_IDS, BatchHeader
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime.picking import read


class Settler(Protocol):
    """What a lease needs of a subscription; both faces have it."""

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle."""
        ...

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give back as failed."""
        ...

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of them."""
        ...

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give back as never handled."""
        ...

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let it last longer."""
        ...


class DeliveryOrigin:
    """The provider's values of the messages of one delivery, which is decoded here.

    A batch larger than one fetch comes in several deliveries: where the one `before` was of the same batch and lay
    before this one, its records are used, so that the batch is decoded once and no record is handed out twice.

    Raises OMSRuntimeException 1501 for damaged bytes, with their place.
    """

    __slots__ = ("_header", "_shared", "delivery", "records")

    def __init__(self, delivery: Delivery, before: DeliveryOrigin | None = None) -> None:
        self.delivery = delivery
        self._header: BatchHeader
        self._shared: dict[str, Any]
        self.records: Sequence[Record]
        if before is not None and before._is_continued_by(delivery):
            self._header, self._shared, self.records = before._header, before._shared, before.records
        else:
            try:
                self._header, self._shared, self.records = read(delivery)
            except OMSRuntimeException as cause:
                place = f"{delivery.destination}, partition {delivery.partition}, offset {delivery.base_offset}"
                raise cause.located(place) from cause

    def _is_continued_by(self, following: Delivery) -> bool:
        mine = self.delivery
        return (
            mine.last <= following.first
            and mine.base_offset == following.base_offset
            and mine.partition == following.partition
            and mine.store_ms == following.store_ms
            and mine.destination == following.destination
        )

    @property
    def at_most_once(self) -> bool:
        """Whether a message of its batch has qos 1."""
        return bool(self._header.attributes & AT_MOST_ONCE)

    @property
    def members(self) -> Sequence[Record]:
        """The records that were delivered."""
        delivery = self.delivery
        if delivery.first == 0 and delivery.last == len(self.records):
            return self.records
        return self.records[delivery.first : delivery.last]

    def header(self, name: str, position: int) -> Any:
        """The provider's value of a header field, None when it has none."""
        if self._header.attributes & OWN_IDS and name in ("messageId", "bornTimestamp"):
            own = self.records[position].headers
            if own and own.get(name):
                return own[name]
        if name == "messageId":
            return self._header.message_id(position)
        if name == "partition":
            return self.delivery.partition
        if name == "offset":
            offset = self.delivery.base_offset + position
            return offset if offset >= 0 else None
        if name == "deliveryCount":
            return self.delivery.attempt if self.delivery.lease_id else None
        if name == "storeTimestamp":
            return self.delivery.store_ms or None
        if name == "bornTimestamp":
            return self._header.born_ms
        return self._shared.get(name)


class Lease:
    """What was fetched under one lease, perhaps several deliveries; `pending` holds the offsets not settled yet.

    Safe for threads.
    """

    __slots__ = ("_failed", "_mutex", "id", "pending", "settler")

    def __init__(self, settler: Settler, lease_id: int) -> None:
        self.settler = settler
        self.id = lease_id
        self.pending: set[int] = set()
        self._failed: set[int] = set()
        self._mutex = threading.Lock()

    def ack_one(self, offset: int) -> None:
        """Settle one message; again is no error, after a nack it is one (1418). Raises 1418 when the lease is over."""
        with self._mutex:
            pending = self.pending
            if offset not in pending:
                self._check_not_failed((offset,))
                return
            pending.remove(offset)
            try:
                self.settler.ack(self.id, (offset,) if pending else None)
            except BaseException:
                pending.add(offset)
                raise

    def ack(self, offsets: Sequence[int]) -> None:
        """Settle several messages; as `ack_one`."""
        with self._mutex:
            fresh = self._take(offsets)
            if not fresh:
                return
            try:
                self.settler.ack(self.id, fresh if self.pending else None)
            except BaseException:
                self.pending.update(fresh)
                raise

    def check(self, offset: int) -> None:
        """Raises OMSRuntimeException 1418 for a message that is settled."""
        with self._mutex:
            self._check_pending((offset,))

    def settled(self, offsets: Iterable[int]) -> None:
        """Note that messages were settled otherwise, in a transaction."""
        with self._mutex:
            self.pending.difference_update(offsets)

    def nack(self, offsets: Sequence[int], delay: float | None, reason: str) -> None:
        """Give messages back as failed. Raises OMSRuntimeException 1418 for one that is settled, or a lease over."""
        with self._mutex:
            self._check_pending(offsets)
            self.settler.nack(self.id, offsets, delay, reason)
            self.pending.difference_update(offsets)
            self._failed.update(offsets)

    def reject(self, offsets: Sequence[int], reason: str) -> None:
        """Make dead letters of messages now. Raises as `nack`."""
        with self._mutex:
            self._check_pending(offsets)
            self.settler.reject(self.id, offsets, reason)
            self.pending.difference_update(offsets)
            self._failed.update(offsets)

    def release(self, offsets: Iterable[int]) -> None:
        """Give messages back that were never handled; those settled meanwhile, and a lease over, are left alone."""
        with self._mutex:
            back = sorted(self.pending.intersection(offsets))
            if back:
                self.pending.difference_update(back)
                self._failed.update(back)
                try:
                    self.settler.release(self.id, back)
                except OMSRuntimeException as failure:
                    if failure.code not in (1404, 1418, 1503):
                        raise

    def extend(self, offset: int, seconds: float) -> None:
        """Let the lease last `seconds` from now. Raises OMSRuntimeException 1418 when it, or the message, is done."""
        with self._mutex:
            self._check_pending((offset,))
            self.settler.extend(self.id, seconds)

    def renew(self, seconds: float) -> bool:
        """Let the lease last while something of it is pending; whether it still lives."""
        with self._mutex:
            if self.pending:
                try:
                    self.settler.extend(self.id, seconds)
                except OMSRuntimeException:
                    return False
            return True

    def _take(self, offsets: Sequence[int]) -> Sequence[int]:
        """Move offsets out of `pending`; returns those that were in it."""
        pending = self.pending
        if self._failed:
            self._check_not_failed(offsets)
        before = len(pending)
        if pending.issuperset(offsets):
            pending.difference_update(offsets)
            return offsets if before - len(pending) == len(offsets) else list(dict.fromkeys(offsets))
        fresh = [offset for offset in dict.fromkeys(offsets) if offset in pending]
        pending.difference_update(fresh)
        return fresh

    def _check_pending(self, offsets: Iterable[int]) -> None:
        self._check_not_failed(offsets)
        if not self.pending.issuperset(offsets):
            raise _settled("acknowledged")

    def _check_not_failed(self, offsets: Iterable[int]) -> None:
        if not self._failed.isdisjoint(offsets):
            raise _settled("given back")


def leased(settler: Settler, deliveries: Sequence[Delivery]) -> list[tuple[Lease, Delivery]]:
    """The deliveries of one fetch with their leases; several may be under one."""
    leases: dict[int, Lease] = {}
    found: list[tuple[Lease, Delivery]] = []
    for delivery in deliveries:
        lease = leases.get(delivery.lease_id)
        if lease is None:
            lease = leases[delivery.lease_id] = Lease(settler, delivery.lease_id)
        lease.pending.update(offsets_of(delivery))
        found.append((lease, delivery))
    return found


def offsets_of(delivery: Delivery) -> range:
    """The offsets of the messages of a delivery."""
    return range(delivery.base_offset + delivery.first, delivery.base_offset + delivery.last)


def _settled(how: str) -> OMSRuntimeException:
    return error(1418, f"the message was {how} before", next_step="Settle each delivery once", field="receipt")
