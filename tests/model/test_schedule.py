import msgspec

from openmessaging.model.message import Record
from openmessaging.model.schedule import ScheduleInfo, ScheduleSpec


def info(next_ms: int | None, *, paused: bool = False) -> ScheduleInfo:
    return ScheduleInfo("s", "default://q", None, "UTC", 1.0, None, None, 1, next_ms, 0, paused, None, None)


def test_over_is_what_sends_nothing_more():
    assert info(None).over
    assert not info(None, paused=True).over
    assert not info(5).over


def test_a_specification_keeps_what_its_message_says():
    record = Record(b"\0body", "key", {"n": 1, "f": 1.5, "b": b"\xff", "t": True}, {"priority": 7})
    spec = ScheduleSpec("s", "default://q", record, "* * * * *", "Europe/Berlin", 0, 1, 2, 3, 4)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=ScheduleSpec) == spec
