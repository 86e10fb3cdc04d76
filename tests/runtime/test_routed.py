"""What becomes of what a function returns."""

import pytest

from openmessaging.model.batch import EXPIRES, KEYED, OWN_IDS, decode
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.message import Message, Record
from openmessaging.model.routing import Assign, Filter, Route
from openmessaging.routing.steps import step_of
from openmessaging.runtime.outgoing import partition_of
from openmessaging.runtime.routed import Outgoing, passes, returned, working_copy


class Received:
    def header(self, name: str, position: int) -> object:
        known = {"messageId": f"id{position}", "bornTimestamp": 5, "bornHost": "h", "partition": 1, "offset": 7}
        return known.get(name)


def source(body: bytes = b"x", key: str | None = "k", **headers: object) -> Message:
    return Message(Record(body, key, {"a": 1}, headers or None), "default://q", Received())


def route(*targets: str, trace: bool = False) -> Route:
    return Route("default://r", "default://q", [f"default://{each}" for each in targets], [], trace)


def test_a_working_copy_can_be_changed_freely() -> None:
    message = source(correlationId="c")
    copy = working_copy(message)
    copy.data, copy.message_key = b"y", "l"
    copy.properties["a"] = 2
    copy.extension_header.correlation_id = "d"
    assert message.record == Record(b"x", "k", {"a": 1}, {"correlationId": "c"})
    assert copy.message_id == message.message_id == "id0"
    assert working_copy(Message(Record(b""), "q")).record == Record(b"")


def test_declarative_operators_on_a_message() -> None:
    message = working_copy(source())
    assert passes(step_of(Filter("a = 1 AND header.messageKey = 'k' AND header.offset = 7"), 0), message)
    assert not passes(step_of(Filter("a = 2"), 0), message)
    assert passes(step_of(Assign({"b": "a + 1", "header.messageKey": "'new'"}), 0), message)
    assert (message.message_key, dict(message.properties)) == ("new", {"a": 1, "b": 2})


def test_one_message_keeps_its_id_and_several_get_new_ones() -> None:
    message = source()
    assert returned(message, message) == [message]
    assert returned(None, message) == returned([], message) == []
    (made,) = returned(Message(Record(b"n"), "q"), message)
    assert (made.message_id, made.header.born_timestamp, made.header.born_host) == ("id0", 5, "h")
    (changed,) = returned(b"y", message)
    assert (changed.data, changed.message_key, changed.message_id) == (b"y", "k", "id0")
    same = returned([message, message, b"y"], message)
    assert len({each.message_id for each in same} | {"id0"}) == 4
    assert [each.data for each in same] == [b"x", b"x", b"y"]
    assert all(len(each.message_id or "") == 32 for each in same)


@pytest.mark.parametrize("wrong", [5, "text", {"a": 1}, [b"x", 5], [None]])
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="wanted are a message"):
        returned(wrong, source())


def test_batches_by_target_partition_and_priority() -> None:
    outgoing = Outgoing(route("one", "three", trace=True), [1, 3], 100)
    messages = [source(b"%d" % n, f"k{n}") for n in range(4)] + [source(b"9", None, priority=9)]
    for message in messages:
        outgoing.add(message, returned(working_copy(message), message))
    batches = outgoing.batches()
    assert {(each.destination, each.partition, each.priority) for each in batches} == {
        *(("default://one", number, None) for number in {0}),
        ("default://one", None, 9),
        ("default://three", None, 9),
        *(("default://three", partition_of(message, 3), None) for message in messages[:4]),
    }
    header, _, records = decode(batches[0].batch.head + batches[0].batch.payload)
    assert header.attributes == OWN_IDS | KEYED
    assert [record.data for record in records] == [b"0", b"1", b"2", b"3"]
    assert records[0].properties == {"a": 1, "route.hops": "r(q/1/7)"}
    assert records[0].headers == {"messageId": "id0", "bornTimestamp": 5, "bornHost": "h"}


def test_what_cannot_be_sent_is_refused_whole() -> None:
    outgoing = Outgoing(route("one"), [1], 10)
    message = source(delayTime=5)
    with pytest.raises(OMSMessageFormatException):
        outgoing.add(message, returned([b"good", b"x" * 11], message))
    later = working_copy(message)
    later.extension_header.delay_time = 6
    with pytest.raises(OMSMessageFormatException, match="at once"):
        outgoing.add(message, [later])
    assert outgoing.batches() == []
    outgoing.add(message, [working_copy(message)])
    assert len(outgoing.batches()) == 1


def test_what_expires_says_so() -> None:
    outgoing = Outgoing(route("one"), [1], 10)
    message = source(expireTime=1_000)
    outgoing.add(message, [working_copy(message)])
    (batch,) = outgoing.batches()
    assert batch.timing is not None
    assert batch.timing.expires
    assert decode(batch.batch.head + batch.batch.payload)[0].attributes & EXPIRES
