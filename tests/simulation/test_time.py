"""Time on a disk that loses power and with a clock that is set: each thing once; and what is planted is found."""

import pytest

from openmessaging.broker import delays, expiry, recurrence, schedules
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry, Leave, Occur
from openmessaging.broker.shelf import Shelf
from openmessaging.simulation.appointments import Appointment, Appointments, Beat, Beats, Fired, Occurrence
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.prices import Prices
from openmessaging.simulation.time import main, run_seed
from openmessaging.storage import timer_index
from openmessaging.storage.timer_index import TimerIndex

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold(seed):
    _, run, failure = run_seed(seed)
    assert failure is None, f"seed {seed}: {failure!r}; crashes: {run.crashes if run else 'at the first opening'}"


def test_a_seed_replays_exactly():
    assert run_seed(7)[0] == run_seed(7)[0] != run_seed(8)[0]
    assert timer_index.LIMIT > 1_000


def complaints(seeds=30):
    failures = [run_seed(seed)[2] for seed in range(seeds)]
    return [str(failure) for failure in failures if isinstance(failure, AssertionError)]


def found_out(*words):
    return any(word in text for text in complaints() for word in words)


def test_firing_in_two_steps_is_found_out(monkeypatch):
    """The messages first, then that they have left: a crash in between sends them twice."""
    whole, later = Engine.fire, []

    def in_two_steps(self, now_ms):
        if later and later[0][0] is self:
            return Entry(now_ms, later.pop()[1])
        entry = whole(self, now_ms)
        if entry is None:
            return None
        first = [each for each in entry.operations if not isinstance(each, Leave | Occur)]
        later[:] = [(self, [each for each in entry.operations if isinstance(each, Leave | Occur)])]
        return Entry(now_ms, first, entry.placed, entry.batches)

    monkeypatch.setattr(Engine, "fire", in_two_steps)
    assert found_out("came twice", "twice, or out of order")


def test_a_cancel_that_is_not_in_the_log_is_found_out(monkeypatch):
    decide = delays.decide_cancel

    def in_memory(engine, now_ms, name, message_id):
        entry = decide(engine, now_ms, name, message_id)
        if entry is not None:
            for operation in entry.operations:
                engine.partitions[operation.partition_id].leave(operation.offsets[0])
            return Entry(now_ms, ())
        return None

    monkeypatch.setattr(delays, "decide_cancel", in_memory)
    assert found_out("although it was cancelled")


def test_a_cancel_that_says_yes_to_what_was_fired_is_found_out(monkeypatch):
    monkeypatch.setattr(delays, "decide_cancel", lambda engine, now_ms, *_: Entry(now_ms, (Leave(1_000_000, [0]),)))
    assert found_out("although it was cancelled")


def test_firing_early_is_found_out(monkeypatch):
    due = TimerIndex.due
    monkeypatch.setattr(TimerIndex, "due", lambda self, now_ms, limit: due(self, now_ms + 20, limit))
    assert found_out("before its time")


def test_timers_that_are_forgotten_at_a_restart_are_found_out(monkeypatch):
    restore = TimerIndex.restore

    def forgetful(self, index):
        known = restore(self, index)
        self.clear()
        return known

    monkeypatch.setattr(TimerIndex, "restore", forgetful)
    assert found_out("did not come")


def test_a_shelf_that_forgets_in_a_snapshot_what_left_is_found_out(monkeypatch):
    monkeypatch.setattr(Shelf, "dump", lambda self: (self.start, 0, []))
    assert found_out("came twice", "although it was cancelled")


def test_handing_out_what_has_expired_is_found_out(monkeypatch):
    first_run = expiry.first_run
    monkeypatch.setattr(expiry, "first_run", lambda *arguments: first_run(*arguments[:-1], arguments[-1] - 3_000))
    assert found_out("too late")


def test_a_schedule_that_goes_on_from_now_is_found_out(monkeypatch):
    """What was missed is passed over."""
    passed = recurrence.passed
    monkeypatch.setattr(
        recurrence, "passed", lambda *arguments: passed(*arguments)._replace(times=passed(*arguments).times[-1:])
    )
    assert found_out("left out")


def test_a_schedule_that_counts_from_the_clock_is_found_out(monkeypatch):
    """Each occurrence one interval after the last was sent."""
    passed = recurrence.passed

    def drifting(spec, next_ms, now_ms, first_ms):
        found = passed(spec, next_ms, now_ms, first_ms)
        return found._replace(next_ms=now_ms + spec.every_ms) if spec.every_ms and found.next_ms else found

    monkeypatch.setattr(recurrence, "passed", drifting)
    assert found_out("no time of it", "left out")


def test_a_schedule_that_is_deleted_in_memory_only_is_found_out(monkeypatch):
    def in_memory(engine, now_ms, name):
        engine.timetable.drop(name)
        return Entry(now_ms, ())

    monkeypatch.setattr(schedules, "decide_delete", in_memory)
    assert found_out("after it was deleted")


def test_the_command_says_how_many_crashes_there_were(capsys):
    assert main(["--seeds", "2"]) == 0
    assert "2 seeds, " in capsys.readouterr().out


def test_a_clock_that_is_set_lets_no_time_pass():
    clock = SimulatedClock()
    now, passed = clock.now_ms(), clock.monotonic()
    clock.jump(-1.5)
    assert (clock.now_ms(), clock.monotonic()) == (now - 1_500, passed)


def appointment(**more):
    found = Appointments()
    found.by_name["m"] = Appointment("id", 0, {10}, **{"sent": True, **more})
    return found


@pytest.mark.parametrize(
    ("model", "fired", "complaint"),
    [
        (appointment(), [("m", 9)], "before its time"),
        (appointment(), [("m", 10), ("m", 11)], "twice"),
        (appointment(), [("n", 10)], "never sent"),
        (appointment(cancelled=True), [("m", 10)], "cancelled"),
    ],
)
def test_appointments_that_cannot_be(model, fired, complaint):
    with pytest.raises(AssertionError, match=complaint):
        model.check([Fired(*each) for each in fired])


def test_what_came_stays_and_what_is_due_comes():
    model = appointment()
    model.check_due(9)
    with pytest.raises(AssertionError, match="did not come"):
        model.check_due(10)
    model.check([Fired("m", 10)])
    model.check_due(10)
    with pytest.raises(AssertionError, match="gone"):
        model.check([])


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ([(10, 9)], "before its time"),
        ([(10, 10), (10, 11)], "twice"),
        ([(10, 10), (25, 25)], "no time of it"),
        ([(10, 10), (30, 30)], "left out"),
        ([(20, 20)], "left out"),
        ([(10, 10), (20, 20), (30, 30), (40, 40)], "of 3"),
    ],
)
def test_occurrences_that_cannot_be(times, complaint):
    beats = Beats()
    beats.by_name["s"] = Beat(10, 10, 3, 2, True)
    with pytest.raises(AssertionError, match=complaint):
        beats.check([Occurrence("s", *each) for each in times])


def test_occurrences_as_they_should_be():
    beats = Beats()
    beats.by_name["s"] = Beat(10, 10, 0, 2, True)
    beats.check([Occurrence("s", 10, 10), Occurrence("s", 40, 59), Occurrence("s", 50, 59)])
    beats.check_due(59)
    with pytest.raises(AssertionError, match="sent nothing"):
        beats.check_due(60)
    with pytest.raises(AssertionError, match="changed"):
        beats.check([])


def test_prices_that_cannot_be():
    prices = Prices()
    prices.expires["p"] = 10
    for call, complaint in (
        (lambda: prices.received("p", 10), "too late"),
        (lambda: prices.check([("p", 9)]), "before its time"),
        (lambda: prices.check([("p", 10), ("p", 10)]), "twice"),
        (lambda: prices.received("x", 1), "never sent"),
    ):
        with pytest.raises(AssertionError, match=complaint):
            call()
    prices.sent.add("p")
    with pytest.raises(AssertionError, match="neither"):
        prices.check_complete()
    prices.received("p", 9)
    prices.acknowledged("p")
    prices.reopened()
    prices.flushed()
    prices.check([("p", 10)])  # the acknowledgement was lost
    prices.check_complete()
    with pytest.raises(AssertionError, match="gone"):
        prices.check([])
