"""A message as a batch of its own."""

from openmessaging.model.batch import KEYED, OWN_IDS, decode
from openmessaging.model.message import Message, Record
from openmessaging.runtime.single import encode_single


class Sent:
    def header(self, name: str, position: int) -> object:
        return {"messageId": "id", "bornTimestamp": 5, "offset": 7, "storeTimestamp": 9}.get(name)


def test_a_message_that_was_sent_keeps_what_is_known_of_it() -> None:
    message = Message(Record(b"x", "k", {"a": 1}, {"correlationId": "c"}), "default://q", Sent())
    header, _, (record,) = decode(encode_single(message))
    assert header.attributes == OWN_IDS | KEYED
    assert (record.data, record.message_key, record.properties) == (b"x", "k", {"a": 1})
    assert record.headers == {"messageId": "id", "bornTimestamp": 5, "storeTimestamp": 9, "correlationId": "c"}


def test_a_message_that_was_not_sent_has_an_empty_id() -> None:
    header, _, (record,) = decode(encode_single(Message(Record(b"x"), "q")))
    assert header.attributes == OWN_IDS
    assert record.headers is not None
    assert record.headers["messageId"] == ""
    assert record.headers["bornTimestamp"] > 0
