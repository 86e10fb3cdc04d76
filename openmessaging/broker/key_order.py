"""Key order of one partition for one group: per key the unsettled messages stand in line, only the head may go out.

A head that is in flight or waits for its retry holds back its line until it is settled (a dead letter is settled too);
messages without a key stand in no line. A key is expected to live in one partition, as the producer's choice by key
ensures; between partitions there is no order. The lanes of a partition have lines of their own: a message may overtake
one of its key that has another priority, but never while that one is in flight (`InFlight`).

This is soft state, read from the stored messages: at most `LOOK_AHEAD` messages behind heads are held; when more of
them queue up, scanning stops until some are settled. Nothing here is in the log, and `Engine.apply` only keeps it up
to date where it exists; after a seek, trim or restart it is dropped and read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmessaging.broker.cursor import Cursor
    from openmessaging.broker.partition import Partition

LOOK_AHEAD = 20_000
"""Most messages per cursor that are known while they stand behind another of their key."""
MAX_MISSED = 4_000
"""Messages that do not match the group's condition, after which a pick looks no further."""
_CHUNK = 512

Misses = Callable[["Partition", int, int], set[int]]
"""Which of the messages `[start, end)` of a partition do not match the group's condition."""
ReadKeys = Callable[[int, int, int], list[str | None]]
"""Keys of the messages `[start, end)` of a partition id."""


class InFlight:
    """The keys in flight in any of a partition's lanes, and the heads of other lanes that wait for them."""

    __slots__ = ("_behind", "keys")

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self._behind: dict[str, list[tuple[KeyOrder, int]]] = {}

    def claim(self, lane: KeyOrder, offset: int, key: str | None) -> bool:
        """Whether a head may go out, which it then counts as; else its lane gets it back when the key is free."""
        if key in self.keys:
            self._behind.setdefault(key, []).append((lane, offset))
            return False
        if key is not None:
            self.keys.add(key)
        return True

    def free(self, key: str | None) -> bool:
        """A key is in flight no more; whether a head waited for that."""
        if key is None:
            return False
        self.keys.discard(key)
        heads = self._behind.pop(key, ())
        for lane, offset in heads:
            lane.step_forward(offset)
        return bool(heads)


class KeyOrder:
    """Lines by key, and the heads that may go out; `shared` when the partition has lanes."""

    __slots__ = (
        "_cursor", "_keys", "_later", "_lines", "_misses", "_offered", "_parked", "_read", "_ready", "_scanned",
        "_shared", "missed",
    )  # fmt: skip

    def __init__(
        self, cursor: Cursor, read: ReadKeys, shared: InFlight | None = None, misses: Misses | None = None
    ) -> None:
        self._cursor = cursor
        self._read = read
        self._shared = shared
        self._misses = misses
        self._lines: dict[str, deque[int]] = {}
        self._keys: dict[int, str] = {}
        self._ready: list[int] = []
        self._later: list[tuple[int, int]] = []  # (visible_ms, offset) of heads that wait
        self._offered: set[int] = set()  # taken from `_ready` by a decision, maybe not applied
        self._parked = 0
        self.missed: set[int] = set()
        """Offsets that do not match and are not settled yet."""
        for start, end in cursor.unsettled():
            self._scan(start, end)
        self._scanned = cursor.next

    def pick(self, now_ms: int, messages: int) -> list[tuple[int, int, int]]:
        """Heads that may go out, at most that many, as (start, end, deliveries so far). They count as offered until
        the lease is applied; the next call offers them again otherwise."""
        self._take_back()
        offered = self._offered
        while (missing := messages - len(offered)) and (found := self._find(now_ms, missing)):
            heads = [heappop(self._ready) for _ in range(min(missing, found))]
            if self._shared is None:
                offered.update(heads)
            else:
                offered.update(head for head in heads if self._shared.claim(self, head, self._keys.get(head)))
        return self._runs(sorted(offered))

    def ready(self, now_ms: int, messages: int) -> int:
        """How many heads may go out, counted up to that many; fewer where one waits for another lane."""
        self._take_back()
        return min(self._find(now_ms, messages), messages)

    def _take_back(self) -> None:
        """What was offered and is not in flight was not handed out: the entry could not be stored."""
        for offset in self._offered:
            heappush(self._ready, offset)
            if self._shared is not None:
                self._shared.free(self._keys.get(offset))
        self._offered.clear()  # before reading, which may fail

    def _find(self, now_ms: int, messages: int) -> int:
        """Look for heads until that many are ready; how many are."""
        while self._later and self._later[0][0] <= now_ms:
            heappush(self._ready, heappop(self._later)[1])
        while len(self._ready) < messages and self._parked < LOOK_AHEAD and len(self.missed) < MAX_MISSED:
            end = min(self._scanned + _CHUNK, self._cursor.partition.visible)
            if end <= self._scanned:
                break
            self._scan(self._scanned, end)
            self._scanned = end
        return len(self._ready)

    def step_forward(self, offset: int) -> None:
        """Nothing of this head's key is in flight any more."""
        heappush(self._ready, offset)

    def handed_out(self, start: int, end: int) -> None:
        """A lease of heads was applied."""
        self._offered.difference_update(range(start, end))

    def settled(self, start: int, end: int) -> None:
        """Messages in flight are done; the next of their keys step forward."""
        for offset in range(start, end):
            key = self._keys.pop(offset, None)
            if key is None:
                continue
            if self._shared is not None:
                self._shared.free(key)
            line = self._lines[key]
            line.popleft()
            if line:
                self._parked -= 1
                heappush(self._ready, line[0])
            else:
                del self._lines[key]

    def skipped(self, start: int, end: int) -> None:
        """Messages that do not match were settled."""
        self.missed.difference_update(range(start, end))
        self._offered.difference_update(range(start, end))
        self.settled(start, end)

    def returned(self, start: int, end: int, visible_ms: int) -> bool:
        """Messages in flight wait again; they stay heads. Whether heads of other lanes may go out for that."""
        freed = False
        for offset in range(start, end):
            heappush(self._later, (visible_ms, offset))
            if self._shared is not None and self._shared.free(self._keys.get(offset)):
                freed = True
        return freed

    def _scan(self, start: int, end: int) -> None:
        waiting = self._cursor.waiting
        missed = self._misses(self._cursor.partition, start, end) if self._misses is not None else ()
        for offset, key in enumerate(self._read(self._cursor.partition.id, start, end), start):
            if offset in missed and (offset >= self._cursor.next or waiting.at(offset) is not None):
                self.missed.add(offset)
                continue
            if key is not None:
                self._keys[offset] = key
                line = self._lines.get(key)
                if line is not None:
                    line.append(offset)
                    self._parked += 1
                    continue
                self._lines[key] = deque((offset,))
            if offset >= self._cursor.next:
                heappush(self._ready, offset)
            elif (span := waiting.at(offset)) is not None:
                heappush(self._later, (span.visible_ms, offset))
            elif self._shared is not None and key is not None:  # it is in flight
                self._shared.keys.add(key)

    def _runs(self, offsets: list[int]) -> list[tuple[int, int, int]]:
        """Neighbours with equally many deliveries together."""
        runs: list[tuple[int, int, int]] = []
        for offset in offsets:
            span = self._cursor.waiting.at(offset) if offset < self._cursor.next else None
            deliveries = span.attempt if span is not None else 0
            if runs and runs[-1][1] == offset and runs[-1][2] == deliveries and (offset != self._cursor.next):
                runs[-1] = (runs[-1][0], offset + 1, deliveries)
            else:
                runs.append((offset, offset + 1, deliveries))
        return runs
