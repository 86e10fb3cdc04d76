"""Messages that the broker sends on: as they were sent, with the ids and born times that they had.

What all messages of a batch share becomes each message's own; a batch of such copies has the attribute `OWN_IDS`.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.broker.state import Contents
from openmessaging.model.batch import Batch, encode_own, with_own
from openmessaging.model.message import Record

_BATCH_BYTES = 1 << 20


def original(contents: Contents, partition_id: int, offset: int) -> Record:
    """A stored message with everything that its batch said about it in its own headers."""
    return with_own(*contents.message(partition_id, offset))


def batches(records: Sequence[Record], now_ms: int) -> list[Batch]:
    """Messages with everything in their own headers (see `original`), as batches of about a megabyte."""
    made: list[Batch] = []
    begin = bytes_so_far = 0
    for at, record in enumerate(records, 1):
        bytes_so_far += len(record.data)
        if at == len(records) or bytes_so_far >= _BATCH_BYTES:
            made.append(encode_own(records[begin:at], now_ms))
            begin, bytes_so_far = at, 0
    return made
