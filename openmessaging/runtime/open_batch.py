"""A batch that is still open: messages for one queue with the futures of their senders, whatever the face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmessaging.model.batch import attributes_of
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Placement
from openmessaging.runtime.outgoing import Route, route_of
from openmessaging.runtime.result import SendResult, SentOrigin


class OpenBatch:
    """Messages for a queue (full name) in the order of sending; `directed` when one says itself which partition it
    goes to."""

    __slots__ = ("directed", "futures", "marked", "messages", "name", "records", "size", "timed")

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: list[Record] = []
        self.messages: list[Message] = []
        self.futures: list[Any] = []
        self.size = 0
        """Bytes of the bodies."""
        self.directed = False
        self.marked = False
        """Whether one has a key or header fields of its own."""
        self.timed = False
        """Whether one is delayed or expires."""

    def add(self, record: Record, message: Message, future: Any) -> None:
        """Append a message, the record to be stored for it, and who waits for it."""
        self.records.append(record)
        self.messages.append(message)
        self.futures.append(future)
        self.size += len(record.data)

    @property
    def attributes(self) -> int:
        """What is among the messages, as `attributes_of` says it."""
        return attributes_of(self.records) if self.marked else 0

    def split(self, count: int, refused: Callable[[int], object]) -> dict[Route, OpenBatch]:
        """One batch per route to a queue of `count` partitions; `refused` is told the bytes of a message that names a
        partition not there."""
        parts: dict[Route, OpenBatch] = {}
        for record, message, future in zip(self.records, self.messages, self.futures, strict=True):
            try:
                route = route_of(message, count)
            except OMSRuntimeException as failure:
                refused(len(record.data))
                if not future.done():
                    future.set_exception(failure)
                continue
            part = parts.setdefault(route, OpenBatch(self.name))
            part.directed = part.marked = True
            part.timed = self.timed
            part.add(record, message, future)
        return parts

    def stored(self, origin: SentOrigin, placement: Placement) -> None:
        """It was stored: the messages take the provider's values, the futures end."""
        origin.placement = placement
        for position, (message, future) in enumerate(zip(self.messages, self.futures, strict=True)):
            message.origin = origin
            message.position = position
            if not future.done():
                future.set_result(SendResult(origin, position))

    def fail(self, failure: BaseException) -> None:
        """It was not stored, or nobody knows: the futures fail."""
        for future in self.futures:
            if not future.done():
                future.set_exception(failure)
