"""An entry of a store's log in a form for people and programs: its operations and its messages by queue."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import msgspec

from openmessaging.broker import entry as log_entry
from openmessaging.cli.line import body_of
from openmessaging.cli.output import as_text, as_time, harmless
from openmessaging.model.batch import OWN_IDS
from openmessaging.model.batch import decode as decode_batch
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.inspect import DumpEntry


class Shown(msgspec.Struct, omit_defaults=True):
    """One entry, or the place where one should be."""

    index: int
    position: int
    path: str
    size: int
    time_ms: int | None = None
    operations: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    problem: str | None = None
    """Why it, or a part of it, cannot be read."""

    def lines(self) -> Iterator[str]:
        """The same as text."""
        head = f"{self.index} at {self.position}, {self.size} bytes"
        if self.time_ms is not None:
            head += f", {as_time(self.time_ms)}"
        yield head if self.problem is None else f"{head}: DAMAGED: {self.problem} ({self.path})"
        for operation in self.operations:
            yield f"  {' '.join(f'{name}={value}' if name != 'op' else value for name, value in operation.items())}"
        for message in self.messages:
            key = "" if message["key"] is None else f" key={message['key']}"
            yield f"  {message['queue']}/{message['partition']} offset={message['offset']}{key}: {_text(message)}"


def describe(item: DumpEntry, names: dict[int, tuple[str, int]]) -> Shown:
    """An entry that was read from a log; `names` keeps the queue and partition number of each partition id for the
    entries to come, and the name and number of partitions of each queue under its id below zero."""
    shown = Shown(item.index, item.position, item.path, item.size, problem=item.problem)
    if item.problem is not None:
        return shown
    try:
        entry, spans = log_entry.decode(item.body)
        shown.time_ms = entry.now_ms
        for operation in entry.operations:
            if isinstance(operation, log_entry.CreateQueue):
                for number in range(operation.partitions):
                    names[operation.first_partition_id + number] = (operation.name, number)
                names[-operation.queue_id] = (operation.name, operation.partitions)
            elif isinstance(operation, log_entry.CreateLane) and -operation.queue_id in names:
                name, count = names[operation.partition_id] = names[-operation.queue_id]
                names[-operation.queue_id] = (name, count + 1)
            shown.operations.append(_operation(operation))
        for placed, (start, size) in zip(entry.placed, spans, strict=True):
            shown.messages += _messages(placed, item.body[start : start + size], names)
    except OMSRuntimeException as failure:
        shown.problem = failure.reason
    return shown


def _text(message: dict[str, Any]) -> str:
    """One line, whatever the body is."""
    return harmless(message["body"]) if "body" in message else as_text(b64decode(message["body_base64"]))


def _operation(operation: log_entry.AnyOperation) -> dict[str, Any]:
    """Its name and fields, those that are unset left out."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(operation).__name__).lower()
    fields = {field: getattr(operation, field) for field in operation.__struct_fields__}
    return {"op": name, **{field: value for field, value in fields.items() if value is not None}}


def _messages(placed: log_entry.Placed, data: bytes, names: dict[int, tuple[str, int]]) -> Iterator[dict[str, Any]]:
    header, _, records = decode_batch(data)
    queue, partition = names.get(placed.partition_id, (f"partition-id-{placed.partition_id}", 0))
    for at, record in enumerate(records):
        own = (record.headers or {}).get("messageId") if header.attributes & OWN_IDS else None
        yield {
            "queue": queue,
            "partition": partition,
            "offset": placed.base_offset + at,
            "message_id": own or header.message_id(at),
            "key": record.message_key,
            **body_of(record.data),
        }
