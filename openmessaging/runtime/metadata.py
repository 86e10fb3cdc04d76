"""Metadata of queues. Source: runtime interface 1.0.0, "queue metadata"; the offsets are this project's."""

from __future__ import annotations

import msgspec


class QueueMetaData(msgspec.Struct, frozen=True):
    """One partition of a queue."""

    queue_name: str
    """Full name."""
    partition_id: int
    first_offset: int
    """Offset of the oldest message that is there."""
    next_offset: int
    """Offset that the next message will get."""
