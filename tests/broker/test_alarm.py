from __future__ import annotations

from openmessaging.broker.alarm import Alarm
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, Timing
from openmessaging.model.timing import pack_times
from tests.broker.harness import QUEUE, Broker


def alarmed(due_ms: int) -> tuple[Broker, Alarm, list[str]]:
    broker, told = Broker(), []
    alarm = Alarm(broker.engine)
    alarm.on_soon = lambda: told.append("soon")
    batch = broker.batch(Record(b"x", None, None, {"delayTime": due_ms - broker.now}))
    entry = broker.engine.decide_send(
        broker.now, [OutgoingBatch(QUEUE, None, batch, timing=Timing(pack_times([due_ms])))]
    )
    alarm.applied(broker.do(entry))
    return broker, alarm, told


def test_it_tells_upkeep_of_what_is_soon() -> None:
    assert alarmed(1500)[2] == ["soon"]
    assert alarmed(10_000)[2] == []


def test_it_fires_what_is_due() -> None:
    broker, alarm, _ = alarmed(1500)
    assert alarm.next_ms() == 1500
    assert alarm.due(1499) is None
    entry = alarm.due(1500)
    assert entry is not None
    broker.do(entry)
    assert alarm.due(1500) is None
    assert broker.engine.queues[QUEUE].partitions[0].end == 1


def test_put_off_it_waits_a_moment() -> None:
    _, alarm, _ = alarmed(1500)
    alarm.put_off(2000)
    assert alarm.due(2050) is None
    assert alarm.due(2100) is not None


def test_put_off_and_then_the_clock_is_set_back() -> None:
    _, alarm, _ = alarmed(1500)
    alarm.put_off(400_000)
    assert alarm.due(2000) is not None


def test_an_entry_without_delays_changes_nothing() -> None:
    broker = Broker()
    alarm = Alarm(broker.engine)
    alarm.applied(broker.send("x"))
    assert alarm.next_ms() is None
