"""What a consumer knows of one partition it was given: what is settled, and how often the rest was delivered.

Kafka keeps one offset per group and partition, and a text with it. The offset is the oldest message not settled; the
text tells what is settled behind it and the attempts, as far as it fits:

    oms1 d9 s2-5,7 a0:1,6:3     to be read from the offset: 9 messages were handed out, 2 to 5 and 7 are settled, the
                                first was given back once, the seventh three times

All numbers count from the offset. Who gets the partition next goes on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

_VERSION = "oms1"
TEXT_BYTES = 4_000
"""Kafka refuses more than 4096 (`offset.metadata.max.bytes`)."""
_SETTLED_BYTES = 3_000


class Book:
    """One partition while this consumer has it; `lost` when it has it no more."""

    __slots__ = (
        "_handed",
        "_next",
        "_order",
        "_settled",
        "_touched",
        "attempts",
        "lost",
        "parked",
        "partition",
        "waiting",
    )

    def __init__(self, partition: int, offset: int, text: str | None) -> None:
        self.partition = partition
        self.lost = False
        self.waiting: dict[str, deque[Any]] = {}
        """With order by key: keys with a message in flight, and what waits behind it."""
        self.parked = 0
        """How many wait so."""
        self._touched = False
        self._next = offset
        self._order: deque[int] = deque()
        handed, self._settled, self.attempts = read_text(offset, text)
        self._handed = handed
        """Below, messages may have been delivered by an earlier owner."""

    def take(self, offset: int) -> int:
        """A message was read from the partition: which attempt its delivery is, 0 when it is settled already."""
        self._touched = True
        self._next = offset + 1
        self._order.append(offset)
        if offset in self._settled:
            return 0
        attempts = self.attempts.get(offset, 0)
        if offset < self._handed and not attempts:
            attempts = self.attempts[offset] = 1
        return attempts + 1

    def at_end(self, offset: int) -> bool:
        """The partition ends here; whether that is further than was known. What is between is no message: marks of
        transactions, compaction."""
        further = offset > self._next and self._touched
        if further:
            self._next = offset
        return further

    def settle(self, offsets: Sequence[int]) -> None:
        """They are done."""
        self._settled.update(offsets)
        if self.attempts:
            for offset in offsets:
                self.attempts.pop(offset, None)

    def commitment(self) -> tuple[int, str] | None:
        """Offset and text to be kept; None while nothing was read: then what is kept is right."""
        if not self._touched:
            return None
        order, settled = self._order, self._settled
        while order and order[0] in settled:
            settled.discard(order.popleft())
        offset = order[0] if order else self._next
        if not settled and not self.attempts and not order and self._handed <= offset:
            return offset, ""
        return offset, write_text(offset, max(self._next, self._handed), settled, self.attempts)


def write_text(offset: int, handed: int, settled: Iterable[int], attempts: dict[int, int]) -> str:
    """The text that stands with an offset."""
    done = _fitting([f"{a}-{b}" if b > a else f"{a}" for a, b in _ranges(offset, settled)], _SETTLED_BYTES)
    text = f"{_VERSION} d{handed - offset} s{done}"
    made = [f"{at - offset}:{count}" for at, count in sorted(attempts.items()) if at >= offset]
    return f"{text} a{_fitting(made, TEXT_BYTES - len(text))}"


def read_text(offset: int, text: str | None) -> tuple[int, set[int], dict[int, int]]:
    """Up to where was handed out, what is settled, and attempts made; nothing of a text that is not ours."""
    settled: set[int] = set()
    attempts: dict[int, int] = {}
    try:
        version, handed, done, made = (text or "").split(" ")
        if version != _VERSION or len(text or "") > TEXT_BYTES + 100:
            return offset, set(), {}
        for part in filter(None, done[1:].split(",")):
            first, _, last = part.partition("-")
            span = range(offset + int(first), offset + int(last or first) + 1)
            if len(span) > 1 << 24:
                return offset, set(), {}
            settled.update(span)
        for part in filter(None, made[1:].split(",")):
            at, _, count = part.partition(":")
            attempts[offset + int(at)] = int(count)
        return offset + int(handed[1:]), settled, attempts
    except ValueError:
        return offset, set(), {}


def _fitting(parts: Iterable[str], room: int) -> str:
    kept: list[str] = []
    for part in parts:
        room -= len(part) + 1
        if room < 0:
            break
        kept.append(part)
    return ",".join(kept)


def _ranges(offset: int, settled: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for each in sorted(settled):
        at = each - offset
        if found and found[-1][1] == at - 1:
            found[-1] = (found[-1][0], at)
        elif at >= 0:
            found.append((at, at))
    return found
