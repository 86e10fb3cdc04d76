"""What comes from outside is looked at once, here: behind this a batch is what its header says."""

from __future__ import annotations

import msgspec

from openmessaging.model.batch import MAX_SHARED_BYTES, Batch, opened
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.key_value import MAX_PROPERTIES_BYTES, check_size
from openmessaging.model.message import body_too_large
from openmessaging.model.spi import OutgoingBatch
from openmessaging.wire import SendItem

_encode = msgspec.msgpack.Encoder().encode


def accepted(item: SendItem, max_body_bytes: int) -> OutgoingBatch:
    """A batch as it may be stored.

    Raises OMSRuntimeException 1418 for bytes that are no whole batch: whoever reads it later must not have to find out;
    OMSMessageFormatException 1411, 1412, 1413 for properties, headers or a body over the limit; 1101 for a newer
    format; OMSUnsupportException for a compression that is not installed here.
    """
    return OutgoingBatch(
        item.destination, item.partition, checked(item.batch, max_body_bytes), item.priority, item.timing, item.unique
    )


def checked(data: bytes | memoryview, max_body_bytes: int) -> Batch:
    """The batch that these bytes are. Raises as `accepted`."""
    try:
        batch = opened(data)
        header, _, records = batch.decoded()
    except OMSRuntimeException as failure:
        if failure.code != 1501:
            raise
        step = "Send what the batch format describes (spec/batch.md)"
        raise error(1418, failure.reason, next_step=step, field="batch") from failure
    if header.size != len(data):
        raise error(1418, f"{len(data) - header.size:,} bytes behind the batch", field="batch")
    if len(batch.payload) > max_body_bytes:
        longest = max(len(record.data) for record in records)
        if longest > max_body_bytes:
            raise body_too_large(longest, max_body_bytes)
    if len(batch.payload) - sum(len(record.data) for record in records) > MAX_PROPERTIES_BYTES:
        for record in records:
            if record.properties:
                check_size(record.properties)
            if record.headers and (size := len(_encode(record.headers))) > MAX_SHARED_BYTES:
                reason = f"the headers of a message have {size:,} bytes, the limit is {MAX_SHARED_BYTES:,}"
                raise error(1412, reason, next_step="Use the body", field="headers")
    return batch.batch
