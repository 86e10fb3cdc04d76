"""Pieces joined are the body that `bodies.py` encodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.batch import Batch
from openmessaging.model.replay import Delivery
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.timing import Timing
from openmessaging.model.unique import Unique
from openmessaging.wire import Delivered, Kind, Send, SendItem
from openmessaging.wire.bodies import LeaseOf, decode_body
from openmessaging.wire.pieces import LARGE_BYTES, SMALL_BYTES, delivered_pieces, send_pieces

UNIQUE = Unique("p", 1, 2, "k")


@pytest.mark.parametrize("size", [10, LARGE_BYTES, 100_000])
@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("asks", [False, True])
def test_a_send(size: int, count: int, asks: bool) -> None:
    head, payload = b"h" * 48, b"p" * size
    batches = [
        OutgoingBatch("default://q", number or None, Batch(head, payload, 1), 7, Timing(b"\0" * 8), UNIQUE)
        for number in range(count)
    ]
    settlements = [LeaseOf(1, 2, [3, 4])]
    pieces = send_pieces(batches, settlements, 17, asks)
    assert (len(pieces) > 1) == (size * count >= LARGE_BYTES)
    assert not any(piece is not payload and len(piece) > size + 1000 for piece in pieces if len(pieces) > 1)
    items = [
        SendItem(each.destination, each.partition, head + payload, each.priority, each.timing, each.unique)
        for each in batches
    ]
    assert decode_body(Kind.SEND, b"".join(pieces)) == Send(items, settlements, 17, asks)


@pytest.mark.parametrize("size", [10, LARGE_BYTES, 100_000])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_delivery(size: int, count: int) -> None:
    data = b"d" * size
    deliveries = [
        Delivery("default://q", 1, 2, 3, data, 4, 5, number, attempt=7, deadline_ms=8) for number in range(count)
    ]
    pieces = delivered_pieces(deliveries)
    assert (len(pieces) > 1) == (size * count >= LARGE_BYTES)
    assert sum(piece is data for piece in pieces) == (count if len(pieces) > 1 else 0)
    found = decode_body(Kind.DELIVERED, b"".join(pieces))
    assert Delivered(found.deliveries).encoded() == Delivered(deliveries).encoded()


@given(st.lists(st.sampled_from([10, SMALL_BYTES - 1, SMALL_BYTES, LARGE_BYTES]), min_size=1, max_size=40))
def test_a_delivered_of_small_and_large_batches(sizes: list[int]) -> None:
    deliveries = [
        Delivery("default://q", 1, 2, 3, bytes([number]) * size, 4, 5, number) for number, size in enumerate(sizes)
    ]
    found = decode_body(Kind.DELIVERED, b"".join(delivered_pieces(deliveries)))
    assert Delivered(found.deliveries).encoded() == Delivered(deliveries).encoded()
