import pytest

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, error
from openmessaging.model.key_value import KeyValue
from openmessaging.model.mail import Handed, Mail, MailKind, no_responders
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime.rpc import (
    MAX_ERROR_BYTES,
    OMSRemoteException,
    Replies,
    answer_record,
    checked_request,
    error_record,
    handed_request,
    opened_answer,
    opened_error,
    opened_request,
    stored_request,
    too_late,
)
from openmessaging.runtime.serving import Arrived


def asked(message: Message, **more) -> Record:
    arguments = {"deadline_ms": 5, "idempotent": False, "window": 0} | more
    return stored_request(checked_request(message, 100), "id", "box", **arguments)


def opened(record: Record):
    return opened_request(Arrived(record, Delivery("default://q", 0, 0, 0, b"", 0, 1), None, 0), lambda: True)


def test_a_request_is_read_as_it_was_written():
    message = Message(Record(b"x", "k", KeyValue({"a": 1}), {"traceId": "t", "correlationId": "mine"}), "q")
    request = opened(asked(message, idempotent=True, window=3))
    assert (request.data, request.message_key, dict(request.properties)) == (b"x", "k", {"a": 1})
    assert (request.call_id, request.reply_to, request.deadline_ms) == ("id", "box", 5)
    assert (request.idempotent, request.window, request.is_cancelled()) == (True, 3, True)
    assert request.extension_header.correlation_id == "id"
    assert request.extension_header.trace_id == "t"
    assert request.time_left == 0.0
    assert dict(message.properties) == {"a": 1}, "the sender's message is his own"
    plain = opened(Record(b"y"))
    assert (plain.call_id, plain.reply_to, plain.idempotent, plain.window) == ("", None, False, 0)
    assert plain.time_left == float("inf")


def test_a_request_is_checked_as_a_message_is():
    with pytest.raises(OMSMessageFormatException):
        asked(Message(Record(bytes(101)), "q"))
    with pytest.raises(OMSRuntimeException) as caught:
        asked(Message(Record(b"", None, None, {"delayTime": 5}), "q"))
    assert caught.value.field == "delayTime"


def test_a_request_that_is_handed_over_is_the_handlers_own():
    message = Message(Record(b"x", "k", KeyValue({"a": 1}), {"traceId": "t"}), "q")
    handed = Handed("default://q", 2, checked_request(message, 100), "id", "box", 5, 3, 1, "host", 7, 8)
    request = handed_request(handed, lambda: False)
    assert (request.data, request.message_key, dict(request.properties)) == (b"x", "k", {"a": 1})
    assert (request.call_id, request.reply_to, request.deadline_ms, request.window) == ("id", "box", 5, 3)
    assert (request.partition, request.offset, request.delivery_count) == (2, None, 1)
    assert request.extension_header.trace_id == "t"
    request.properties["a"] = 2
    request.set_header("traceId", "other")
    stored = opened_request(Arrived(handed.whole(), Delivery("q", 2, 0, 0, b"", 0, 1), None, 0), lambda: False)
    assert (dict(stored.properties), stored.extension_header.trace_id) == ({"a": 1}, "t")
    assert (stored.call_id, stored.reply_to, stored.window) == ("id", "box", 3)
    assert stored.message_id == request.message_id
    assert dict(message.properties) == {"a": 1}


def test_what_a_handler_may_return():
    assert answer_record(b"x", 10) == Record(b"x")
    assert answer_record(None, 10) == Record(b"")
    answer = answer_record(Message(Record(b"x", "k", KeyValue({"a": 1})), "q"), 10)
    assert (answer.data, answer.message_key, answer.properties) == (b"x", "k", {"a": 1})
    with pytest.raises(OMSRuntimeException) as caught:
        answer_record(5, 10)
    assert caught.value.code == 1500
    with pytest.raises(OMSMessageFormatException):
        answer_record(bytes(11), 10)


def test_errors_keep_code_and_text():
    remote = opened_error(error_record(error(1418, "no such account", next_step="x")))
    assert isinstance(remote, OMSRemoteException)
    assert (remote.code, remote.reason) == (1418, "no such account")
    remote = opened_error(error_record(KeyError("a")))
    assert (remote.code, remote.reason) == (1500, "KeyError: 'a'")
    assert opened_error(None).code == 1500
    assert opened_error(Record(b"x", None, {"rpc.code": 7})).code == 1500
    assert len(error_record(ValueError("x" * 100_000)).data) == MAX_ERROR_BYTES


def test_an_answer_is_opened_with_its_correlation_id():
    answer = opened_answer(Mail(MailKind.ANSWER, "id", record=Record(b"x", None, None, {"traceId": "t"})), "box")
    assert (answer.data, answer.destination, answer.extension_header.correlation_id) == (b"x", "box", "id")
    assert answer.extension_header.trace_id == "t"
    with pytest.raises(OMSRemoteException):
        opened_answer(Mail(MailKind.ERROR, "id", record=error_record(ValueError())), "box")


def test_words():
    assert no_responders("q").code == 1503
    assert too_late("q", 1.0).code == 1410
    assert "not complete" in repr(Replies([], [], False))
