from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime import serving
from openmessaging.runtime.serving import Arrived, Cancelled, Running


def test_cancelled_requests_are_remembered_once_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(serving, "MAX_CANCELLED", 2)
    cancelled = Cancelled()
    assert not cancelled.take("a")
    for call_id in "abc":
        cancelled.add(call_id)
    assert [cancelled.take(call_id) for call_id in "abcb"] == [False, True, True, False]


def test_a_running_request_is_interrupted_once_cancelled_and_credit_only_grows():
    calls = []
    arrived = Arrived(Record(b""), Delivery("q", 0, 5, 0, b"", 0, 2, 7), None, 1)
    assert arrived.offset == 6
    running = Running(arrived, lambda: calls.append("interrupt"))
    running.progress = lambda: calls.append("progress")
    running.advance(3)
    running.advance(2)
    assert running.credit == 3
    assert not running.is_cancelled()
    running.cancel()
    assert running.is_cancelled()
    assert calls == ["progress", "progress", "interrupt", "progress"]
