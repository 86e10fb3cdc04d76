from typing import Any

from openmessaging.broker.copying import batches
from openmessaging.model.batch import EXPIRES, KEYED, OWN_IDS, BatchHeader, decode, with_own
from openmessaging.model.message import Record


def header(attributes: int) -> BatchHeader:
    return BatchHeader(0, 0, 1, attributes, 0, 1, 77, 0, 5, 0, 3)


def test_what_the_batch_says_becomes_its_own() -> None:
    record = Record(b"x", "k", {"p": 1}, {"correlationId": "c", "bornTimestamp": 1})
    own = with_own(header(0), {"bornHost": "h"}, record, 2)
    assert own.headers == {
        "messageId": header(0).message_id(2), "bornTimestamp": 77, "bornHost": "h", "correlationId": "c",
    }  # fmt: skip
    assert (own.data, own.message_key, own.properties) == (b"x", "k", {"p": 1})


def test_what_the_broker_moved_before_keeps_its_own() -> None:
    record = Record(b"x", None, None, {"messageId": "m", "bornTimestamp": 1})
    assert with_own(header(OWN_IDS), {}, record, 0).headers == {"messageId": "m", "bornTimestamp": 1}


def attributes(headers: dict[str, Any], key: str | None = None) -> int:
    (batch,) = batches([Record(b"", key, None, {"bornTimestamp": 5, **headers})], 9)
    return decode(batch.head + batch.payload)[0].attributes


def test_attributes_of_copies() -> None:
    assert attributes({}) == OWN_IDS
    assert attributes({}, "k") == OWN_IDS | KEYED
    assert attributes({"expireTime": 6}) == OWN_IDS | EXPIRES
    assert attributes({"expireTime": 6, "delayTime": 9}) == OWN_IDS
