"""A delivery of few messages of a batch decodes these only; what is read is the same."""

import msgspec
import pytest

from openmessaging.model.batch import HOLE, SPARSE, encode, encode_shared, thin
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime.picking import Picked, read

RECORDS = [Record(b"%d" % at, "key", {"at": at}, {"priority": 3}) for at in range(20)]
SHARED = {"bornHost": "here"}


def delivery(first, last, data=None):
    batch = encode(RECORDS, shared=encode_shared(SHARED), born_ms=5, producer_id=1, first_sequence=0)
    return Delivery("default://q", 0, 100, 7, data or batch.head + batch.payload, first, last)


@pytest.mark.parametrize(("first", "last"), [(0, 20), (3, 4), (0, 1), (19, 20), (2, 8)])
def test_the_same_records(first, last):
    header, shared, records = read(delivery(first, last))
    assert header.count == len(records) == 20
    assert shared == SHARED
    assert list(records[first:last]) == RECORDS[first:last]
    assert records[first] is records[first]
    assert isinstance(records, Picked) is (last - first < 5)


def test_holes_are_passed_over():
    whole = delivery(0, 20).data
    batch = thin(whole, [0, 5, 19])
    _, _, records = read(delivery(5, 6, batch.head + batch.payload))
    assert records[5] == RECORDS[5]
    assert thin(whole, [0, 5, 19]).count == 20
    _, _, all_of_them = read(delivery(0, 20, batch.head + batch.payload))
    assert all_of_them[1] is HOLE
    assert read(delivery(5, 6, batch.head + batch.payload))[0].attributes & SPARSE


def test_what_is_no_record_is_damage():
    with pytest.raises(OMSRuntimeException) as caught:
        Picked([msgspec.Raw(b"\x01")])[0]
    assert caught.value.code == 1501
