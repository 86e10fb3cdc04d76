"""Which messages of a stored batch match: properties, header fields as a receiver sees them, compression, damage."""

from __future__ import annotations

from typing import Any

import pytest

from openmessaging.broker.matching import matching_offsets
from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue
from openmessaging.filters import compile_condition
from openmessaging.model.batch import OWN_IDS, Batch, encode, encode_shared, make_id
from openmessaging.model.compression import KINDS
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.storage.index import IndexEntry

RECORDS = [
    Record(b"0", "alice", {"color": "red", "weight": 5, "other": b"x"}),
    Record(b"1", None, None, {"priority": 9, "correlationId": "c1"}),
    Record(b"2", "bob", {"weight": 7.5}, {"messageId": "mine", "bornTimestamp": 5}),
    Record(b"3", "alice", {"color": "blue"}, {"priority": 2}),
]


def made(records: list[Record] = RECORDS, attributes: int = 0, shared: dict[str, Any] | None = None) -> Batch:
    return encode(
        records,
        shared=encode_shared({"bornHost": "here"} if shared is None else shared),
        born_ms=1_000,
        producer_id=9,
        first_sequence=20,
        attributes=attributes,
    )


def matching(text: str, batch: Batch | None = None) -> list[int]:
    batch = batch or made()
    data = batch.head + batch.payload
    entry = IndexEntry(100, batch.count, 0, len(data), 1_234)
    partition = Partition(3, 2, Queue(1, "default://orders", {}))
    return list(matching_offsets(data, compile_condition(text), partition, entry))


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        ("color = 'red'", [100]),
        ("color IN ('red', 'blue')", [100, 103]),
        ("color = 'green'", []),
        ("nothing = 'red'", []),
        ("weight > 5", [102]),
        ("color IS NULL", [101, 102]),
        ("TRUE", [100, 101, 102, 103]),
        ("FALSE", []),
        ("header.messageKey = 'alice'", [100, 103]),
        ("header.messageKey = 'alice' AND color = 'blue'", [103]),
        ("header.priority > 5", [101]),
        ("header.priority = 5", [100, 102]),
        ("header.correlationId = 'c1'", [101]),
        ("header.offset >= 102", [102, 103]),
        ("header.partition = 2 AND header.destination = 'default://orders'", [100, 101, 102, 103]),
        ("header.storeTimestamp = 1234", [100, 101, 102, 103]),
        ("header.bornTimestamp = 1000 AND header.bornHost = 'here'", [100, 101, 102, 103]),
        (f"header.messageId = '{make_id(1_000, 9, 21)}'", [101]),
        ("header.messageId = 'mine'", []),
    ],
)
def test_offsets(text: str, offsets: list[int]) -> None:
    assert matching(text) == offsets


def test_messages_that_were_moved_keep_their_own_id_and_time() -> None:
    moved = made(attributes=OWN_IDS, shared={})
    assert matching("header.messageId = 'mine'", moved) == [102]
    assert matching("header.bornTimestamp = 5", moved) == [102]
    assert matching("header.bornTimestamp = 1000", moved) == [100, 101, 103]


@pytest.mark.parametrize("algorithm", ["zstd", "lz4"])
def test_compressed(algorithm: str) -> None:
    batch = made([Record(bytes(500), None, {"color": "red"}), Record(b"", None, {"color": "blue"})], KINDS[algorithm])
    assert matching("color = 'blue'", batch) == [101]
    assert matching("color = 'green'", batch) == []


def test_names_that_no_struct_can_have() -> None:
    batch = made([Record(b"", None, {'say "hi"': 1, "back\\slash": 2}), Record(b"")])
    assert matching('"say ""hi""" = 1 AND "back\\slash" = 2', batch) == [100]


def test_damage_is_told() -> None:
    batch = made()
    batch.payload = batch.payload[:-1] + b"\x00"
    with pytest.raises(OMSRuntimeException, match="CRC"):
        matching("color = 'red'", batch)
