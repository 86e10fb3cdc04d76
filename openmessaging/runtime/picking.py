"""Decoding of what a delivery holds: the whole batch, or, where a filter left little of it, only that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import msgspec

from openmessaging.model.batch import BatchHeader, damaged, opened
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery

_FEW = 4
"""A delivery of less than one in so many of a batch's messages is picked."""
_split: Any = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode = msgspec.msgpack.Decoder(Record).decode


class Picked(Sequence[Record]):
    """The records of a batch, each decoded when it is asked for, once. Asking raises OMSRuntimeException 1501 for
    damaged bytes."""

    __slots__ = ("_found", "_parts")

    def __init__(self, parts: list[msgspec.Raw]) -> None:
        self._parts = parts
        self._found: dict[int, Record] = {}

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> list[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | list[Record]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self._parts)))]
        record = self._found.get(at)
        if record is None:
            try:
                record = self._found[at] = _decode(self._parts[at])
            except (msgspec.DecodeError, UnicodeDecodeError) as cause:
                raise damaged(str(cause)) from cause
        return record


def read(delivery: Delivery) -> tuple[BatchHeader, dict[str, Any], Sequence[Record]]:
    """Header, shared headers and records of a delivery's batch. Raises OMSRuntimeException 1501 for damaged bytes."""
    batch = opened(delivery.data)
    if (delivery.last - delivery.first) * _FEW >= batch.header.count:
        return batch.decoded()
    header, shared, parts = batch.read(_split, _split, msgspec.Raw())
    return header, shared, Picked(parts)
