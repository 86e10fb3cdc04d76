"""What the engine reads of stored messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from openmessaging.broker.partition import Partition
from openmessaging.filters import Condition
from openmessaging.model.batch import BatchHeader
from openmessaging.model.message import Record


class Contents(Protocol):
    """Reads stored messages; all that is asked for is durable and not trimmed."""

    def keys(self, partition_id: int, start: int, end: int) -> list[str | None]:
        """Message keys of the offsets `[start, end)`."""
        ...

    def matching(
        self, partition: Partition, start: int, end: int, condition: Condition
    ) -> tuple[Sequence[int], int, int]:
        """The offsets that match in the batch that holds `start`, from there to its end or to `end`; where that was;
        and how many bytes the batch has."""
        ...

    def message(self, partition_id: int, offset: int) -> tuple[BatchHeader, dict[str, Any], Record, int]:
        """Header and shared headers of its batch, the message, and its place in the batch (0 is the first)."""
        ...

    def raw(self, partition_id: int, offset: int) -> tuple[int, bytes]:
        """First offset and bytes of the batch that holds or, of a compacted partition, follows an offset."""
        ...

    def live(self, partition_id: int, start: int, end: int, wanted: int) -> tuple[int, list[tuple[int, int]]]:
        """Of a compacted partition: where at most `wanted` messages from `start` on end, at most at `end`, and the
        ranges up to there that hold none."""
        ...

    def expiries(self, partition_id: int, start: int, end: int) -> list[int]:
        """When the messages `[start, end)` expire, ms since the epoch; 0: never."""
        ...

    def store_ms(self, partition_id: int, offset: int) -> int:
        """When the message was stored."""
        ...

    def stored(self, partition_id: int, offset: int) -> bytes:
        """The batch that holds an offset, as it is stored."""
        ...
