"""What makes a batch storable only once: the number its named producer gave it, or a key of the user's."""

from __future__ import annotations

import msgspec


class Unique(msgspec.Struct, frozen=True, gc=False):
    """Says when two batches are the same one; `Driver.commit` alone looks at it (with UNIQUE)."""

    producer: str | None = None
    """Name of a named producer, see `Driver.open_producer`."""
    epoch: int = 0
    """Which opening of that name this is."""
    sequence: int = 0
    """The number of the first message in its queue; the others follow. Numbers grow, gaps are allowed."""
    key: str | None = None
    """A batch of one message with this key is stored once within the queue's `deduplication_window`."""


class ProducerEpoch(msgspec.Struct, frozen=True):
    """A named producer, opened: older openings of the name are refused from now on."""

    name: str
    producer_id: int
    epoch: int
    sequences: dict[str, int]
    """By full name of the queue: the last number stored."""


Original = tuple[int, int, int]
"""Born time, producer id and first sequence in the header of the batch that was stored first."""
