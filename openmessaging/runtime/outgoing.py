"""The sending side without I/O: checks a message, spreads messages over partitions, encodes a batch.

Next stop of a message: the outbox of a face (`aio/outbox.py`, `threads/outbox.py`) hands the batch to the driver.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from openmessaging.model.batch import (
    EXPIRES,
    MAX_MESSAGES,
    PRODUCER_BITS,
    SEQUENCE_BITS,
    attributes_of,
    encode,
    encode_shared,
)
from openmessaging.model.compression import kind_of
from openmessaging.model.destination import full_name
from openmessaging.model.errors import OMSUnsupportException, error, unsupported
from openmessaging.model.headers import DEFAULT_PRIORITY, NAMES, PROVIDER_FIELDS, check_header
from openmessaging.model.key_value import KeyValue, PropertyValue, check_size
from openmessaging.model.lacking import lacking
from openmessaging.model.message import Message, Record, as_body, body_too_large, partition_of_key
from openmessaging.model.spi import Capability, OutgoingBatch, Timing
from openmessaging.model.unique import ProducerEpoch, Unique
from openmessaging.runtime import wall
from openmessaging.runtime.result import SentOrigin
from openmessaging.runtime.timing import is_delayed, is_timed, set_times, timing_of, timing_of_delays

NOT_YET = ("transactionId",)
"""Header fields that no driver provides; a message that sets one is refused, naming it."""
TIMES = frozenset(("delay", "deliver_at", "ttl"))
"""What `create_message` takes beside the header fields."""
_NOT_STORED = PROVIDER_FIELDS | {"partition", "qos"}
_LEFT_ALONE = {"delayTime", "correlationId", "traceId"}
"""Fields that a delayed message may have and still be one of many alike."""
_delay = itemgetter("delayTime")
_MAX_NAMES = 10_000

Route = tuple[int | None, bool, int | None]
"""What the messages of one batch have in common: the partition (None: the driver picks), whether they are delayed, and
the priority (None: the default)."""
ANYWHERE: Route = (None, False, None)


def new_message(
    queue: str,
    body: bytes,
    message_key: str | None,
    properties: dict[str, PropertyValue] | None,
    headers: dict[str, Any],
) -> Message:
    """A message with any of its fields set; `headers` by their names in Python.

    Raises OMSMessageFormatException 1400 naming the field that is unknown or wrong.
    """
    message = Message(
        Record(as_body(body), check_header("messageKey", message_key)), check_header("destination", queue)
    )
    if properties:
        message.record.properties = KeyValue(properties)
    if not TIMES.isdisjoint(headers):
        set_times(message, headers)
    for name, value in headers.items():
        message.set_header(NAMES.get(name, name), value)
    return message


def checked_record(message: Message, max_body_bytes: int, once: bool = False) -> Record:
    """The record to be stored for a message: the fields that only direct the sending are left out. `once`: whether its
    sending is idempotent, which qos 2 needs.

    Raises OMSMessageFormatException 1413, 1411 or 1400, OMSUnsupportException naming the field.
    """
    record = message.record
    if len(record.data) > max_body_bytes:
        raise body_too_large(len(record.data), max_body_bytes)
    if record.properties:
        check_size(record.properties)
    headers = record.headers
    if not headers:
        return record
    for name in NOT_YET:
        if headers.get(name) is not None:
            raise _not_provided(name)
    kept = {name: value for name, value in headers.items() if name not in _NOT_STORED}
    qos = headers.get("qos")
    if qos:
        if qos == 2 and not once:
            raise _no_qos_2()
        kept["qos"] = qos
    return Record(record.data, record.message_key, record.properties, kept or None)


def partition_of(message: Message, count: int) -> int | None:
    """Where a message goes among `count` partitions: its explicit partition, else by its key (CRC-32C of UTF-8), else
    None: the driver picks.

    Raises OMSRuntimeException 1418 for a partition that is not there.
    """
    headers = message.record.headers
    explicit = headers.get("partition") if headers else None
    if explicit is not None:
        if explicit >= count:
            raise error(
                1418,
                f"partition {explicit} of {message.destination!r} is not there",
                next_step=f"It has {count}, numbered from 0",
                field="partition",
            )
        chosen: int = explicit
        return chosen
    key = message.record.message_key
    if key is None:
        return None
    return partition_of_key(key, count)


class Packer:
    """Names, ids and encoding for the messages of one producer; safe for threads."""

    producer_epoch = 0
    once = False
    """Whether what it packs is stored once."""

    def __init__(self, namespace: str, compression: str) -> None:
        self.namespace = namespace
        self.producer_id = secrets.randbits(PRODUCER_BITS)
        self._compression = kind_of(compression)
        self.born_host = f"{socket.gethostname()}:{os.getpid()}"
        self._shared = encode_shared({"bornHost": self.born_host})
        self._sequence = 0
        self._mutex = threading.Lock()
        self._names: dict[str, str] = {}
        self.capabilities: Collection[Capability] = ()
        """Of the driver; known once the producer is started."""

    def full(self, destination: str) -> str:
        """The full name of a queue. Raises OMSRuntimeException 1418 for an invalid one."""
        name = self._names.get(destination)
        if name is None:
            name = full_name(destination, self.namespace)
            if len(self._names) >= _MAX_NAMES:
                self._names.clear()
            self._names[destination] = name
        return name

    def pack(
        self,
        destination: str,
        partition: int | None,
        records: Sequence[Record],
        attributes: int = 0,
        timed: bool = False,
        priority: int | None = None,
        delays: Sequence[int] | None = None,
    ) -> tuple[OutgoingBatch, SentOrigin]:
        """Encode records as one batch for a queue (full name), and make the origin of its messages; `attributes`: what
        is among them (`attributes_of`); `timed`: whether one may be delayed, as all are then, or expire; `priority` is
        that of all of them; `delays`: what each is delayed, where that is known and none expires.

        Raises OMSRuntimeException 1418 for too many messages or too long a delay, OMSUnsupportException.
        """
        count = len(records)
        if count > MAX_MESSAGES:
            raise error(1418, f"{count:,} messages in one batch, the limit is {MAX_MESSAGES:,}", next_step="Send less")
        if priority is not None and Capability.PRIORITY not in self.capabilities:
            raise lacking(Capability.PRIORITY, "priority")
        with self._mutex:
            sequence = self._sequence
            self._sequence = sequence + count
        born_ms = wall.time_ns() // 1_000_000
        attributes |= self._compression
        if delays is not None:
            timing: Timing | None = timing_of_delays(delays, born_ms, self.capabilities)
        else:
            timing = timing_of(records, born_ms, self.capabilities) if timed else None
        if timing is not None and timing.expires:
            attributes |= EXPIRES
        batch = encode(
            records,
            shared=self._shared,
            born_ms=born_ms,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            first_sequence=sequence,
            attributes=attributes,
        )
        origin = SentOrigin(destination, born_ms, self.born_host, self.producer_id, sequence)
        return OutgoingBatch(destination, partition, batch, priority, timing), origin


class NamedPacker(Packer):
    """The packer of a named producer: its batches say what makes them unique."""

    once = True

    def __init__(self, namespace: str, compression: str, name: str) -> None:
        super().__init__(namespace, compression)
        self.name = name
        self._numbering = threading.Lock()

    def adopt(self, opened: ProducerEpoch) -> None:
        """Go on where the producer of this name left off."""
        self.producer_id, self.producer_epoch = opened.producer_id, opened.epoch
        self._sequence = max([self._sequence, *(last + 1 for last in opened.sequences.values())])

    def pack(self, *arguments: Any, **named: Any) -> tuple[OutgoingBatch, SentOrigin]:
        """As `Packer.pack`, with the next numbers."""
        with self._numbering:
            outgoing, origin = super().pack(*arguments, **named)
        outgoing.unique = Unique(self.name, self.producer_epoch, origin.first_sequence)
        return outgoing, origin

    def pack_at(self, sequence: int, *arguments: Any) -> tuple[OutgoingBatch, SentOrigin]:
        """As `pack`, with the caller's number. Raises OMSRuntimeException 1418 for one out of range."""
        if not 0 <= sequence < 1 << SEQUENCE_BITS:
            raise error(1418, f"sequence: {sequence!r} is not from 0 to 2^{SEQUENCE_BITS} - 1", field="sequence")
        with self._numbering:
            after, self._sequence = self._sequence, sequence
            outgoing, origin = super().pack(*arguments)
            self._sequence = max(after, self._sequence)
        outgoing.unique = Unique(self.name, self.producer_epoch, sequence)
        return outgoing, origin


def new_transaction_id() -> str:
    """An id for a transaction: 32 hexadecimal digits, unique."""
    return secrets.token_hex(16)


class Checked(NamedTuple):
    """What is to be stored for many messages."""

    records: list[Record]
    directed: bool
    """Whether one has a key, a partition or a priority of its own, or is delayed."""
    size: int
    """Bytes of the bodies."""
    timed: bool
    """Whether one is delayed or expires."""
    delays: Sequence[int] | None = None
    """What each is delayed, ms, where all are and none says anything else about its way."""
    attributes: int = 0
    """Of a batch that holds all of them."""


def checked_records(messages: Sequence[Message], max_body_bytes: int, once: bool = False) -> Checked:
    """The records of many messages; raises as `checked_record`."""
    if not messages:
        return Checked([], False, 0, False)
    records = [message.record for message in messages]
    sizes = [len(record.data) for record in records]
    if max(sizes) <= max_body_bytes:
        delays = _delays(records) if records[0].headers else None
        if delays is not None:
            return Checked(records, True, sum(sizes), True, delays)
        if not [True for record in records if record.headers or record.message_key is not None or record.properties]:
            return Checked(records, False, sum(sizes), False)
    directed = any(map(is_directed, records))
    timed = any(is_timed(record.headers) for record in records)
    stored = [checked_record(message, max_body_bytes, once) for message in messages]
    return Checked(stored, directed, sum(sizes), timed, None, attributes_of(stored))


def _delays(records: Sequence[Record]) -> list[int] | None:
    """The delays of records, all together, where nothing has to be asked of each one; else None."""
    headers = [
        record.headers for record in records if record.headers and record.message_key is None and not record.properties
    ]
    try:
        delays: list[int] = list(map(_delay, headers))
    except KeyError:
        return None
    if len(delays) != len(records) or min(delays) <= 0:
        return None
    names = sum(map(len, headers))
    return delays if names == len(headers) or set().union(*headers) <= _LEFT_ALONE else None


def is_directed(record: Record) -> bool:
    """Whether a message says itself where it goes: by a key, a partition, a priority, or a delay."""
    headers = record.headers
    if headers is None:
        return record.message_key is not None
    return record.message_key is not None or "partition" in headers or "priority" in headers or is_delayed(headers)


def route_of(message: Message, count: int) -> Route:
    """Which messages share a batch; raises as `partition_of`."""
    headers = message.record.headers
    if not headers:
        return partition_of(message, count), False, None
    priority = headers.get("priority")
    return partition_of(message, count), is_delayed(headers), None if priority == DEFAULT_PRIORITY else priority


def spread(messages: Sequence[Message], count: int) -> dict[Route, list[int]]:
    """Which messages (by their place) share a batch, for a queue that has `count` partitions; raises as
    `partition_of`."""
    places: dict[Route, list[int]] = {}
    for index, message in enumerate(messages):
        places.setdefault(route_of(message, count), []).append(index)
    return places


def _no_qos_2() -> OMSUnsupportException:
    error = unsupported("qos 2", next_step="Give the producer a name, or use send_once")
    error.field = "qos"
    return error


def _not_provided(name: str) -> OMSUnsupportException:
    error = unsupported(name, next_step="Leave the field unset")
    error.field = name
    return error
