"""What becomes of the messages of a delivery: handed on, dropped, or held until they are due. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.filters import Condition
from openmessaging.model.batch import HOLE, decode, with_own
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.model.timing import NEVER, due_ms, expires_ms


class Sifted(msgspec.Struct):
    """Places in a batch, by what becomes of their messages."""

    passing: list[tuple[int, int]] = []
    """Runs of places, from and to (exclusive)."""
    dropped: list[int] = []
    """They match no condition, or are expired."""
    expired: int = 0
    """How many of these are expired."""
    early: list[tuple[int, int]] = []
    """When it is due (ms since the epoch), and the place."""


class Sieve:
    """What a group wants: a condition, whether what is expired shall be dropped, whether what is not due is held."""

    def __init__(self, condition: Condition | None, expiry: bool, delay: bool) -> None:
        self._condition = condition
        self._expiry = expiry
        self._delay = delay

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self._condition is None and not self._expiry and not self._delay

    def sift(self, delivery: Delivery, now_ms: int) -> Sifted:
        """Look at each message. Raises OMSRuntimeException 1501 for damaged bytes."""
        if self.is_open:
            return Sifted([(delivery.first, delivery.last)])
        header, shared, records = decode(delivery.data)
        found = Sifted()
        for place in range(delivery.first, delivery.last):
            record = records[place]
            if record is HOLE:
                continue
            own = with_own(header, shared, record, place)
            times = own.headers or {}
            if self._condition is not None and not self._matches(own, delivery, place):
                found.dropped.append(place)
            elif self._delay and (due := due_ms(times["bornTimestamp"], times)) > now_ms:
                found.early.append((due, place))
            elif self._expiry and NEVER < expires_ms(times["bornTimestamp"], times) <= now_ms:
                found.expired += 1
                found.dropped.append(place)
            elif found.passing and found.passing[-1][1] == place:
                found.passing[-1] = (found.passing[-1][0], place + 1)
            else:
                found.passing.append((place, place + 1))
        return found

    def _matches(self, own: Record, delivery: Delivery, place: int) -> bool:
        known: dict[str, Any] = {
            **(own.headers or {}),
            "destination": delivery.destination,
            "messageKey": own.message_key,
            "partition": delivery.partition,
        }
        if delivery.base_offset >= 0:
            known["offset"] = delivery.base_offset + place
        if delivery.store_ms:
            known["storeTimestamp"] = delivery.store_ms
        assert self._condition is not None
        return self._condition.matches(own.properties, known.get)


def single(delivery: Delivery, place: int) -> Delivery:
    """One message of a delivery."""
    return msgspec.structs.replace(delivery, first=place, last=place + 1)
