from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage import timer_index
from openmessaging.storage.timer_file import RAW, in_order
from openmessaging.storage.timer_index import LATEST_MS, TimerIndex
from openmessaging.system import SystemDisk


class Waiting:
    """The shelves of a test: what waits is a set."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, int], int] = {}

    def is_waiting(self, shelf: int, offset: int) -> bool:
        return (shelf, offset) in self.waiting

    def any_waiting(self, shelf: int, start: int, end: int) -> bool:
        return any((shelf, offset) in self.waiting for offset in range(start, end))


def made(disk: SystemDisk | SimulatedDisk | None, directory: str) -> tuple[TimerIndex, Waiting]:
    index, waiting = TimerIndex(disk, directory), Waiting()
    index.shelves = waiting
    return index, waiting


def add(index: TimerIndex, waiting: Waiting, shelf: int, base: int, dues: list[int], now: int = LATEST_MS) -> None:
    waiting.waiting.update({(shelf, base + at): due for at, due in enumerate(dues)})
    index.add(shelf, base, dues, [(shelf * 1_000_000 + base, len(dues), 0)], now)


def fire(index: TimerIndex, waiting: Waiting, now: int, limit: int = 1000) -> list[tuple[int, int, int]]:
    found = index.due(now, limit)
    for _, shelf, offset in found:
        del waiting.waiting[shelf, offset]
    return found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer_index, "LIMIT", 24)
    monkeypatch.setattr(timer_index, "MERGE_ABOVE", 4)
    monkeypatch.setattr(timer_index, "FAR_MS", 15)


def test_what_was_taken_and_waits_all_the_same_is_given_back() -> None:
    index, waiting = made(None, "")
    add(index, waiting, 1, 0, [10, 5])
    assert index.due(4, 10) == []
    assert index.due(10, 10) == index.due(10, 10) == [(5, 1, 1), (10, 1, 0)]
    assert index.next_ms() == 5
    assert fire(index, waiting, 7) == [(5, 1, 1)]
    assert index.next_ms() == 10


def test_deferred_comes_at_the_later_time_only() -> None:
    index, waiting = made(None, "")
    add(index, waiting, 1, 0, [5])
    assert index.due(5, 10) == [(5, 1, 0)]
    index.defer(1, 0, 50)
    assert index.next_ms() == 50
    assert index.due(49, 10) == []
    assert fire(index, waiting, 50) == [(50, 1, 0)]


def test_added_twice_is_due_once() -> None:
    index, waiting = made(None, "")
    for _ in range(2):
        add(index, waiting, 1, 0, [5])
    assert fire(index, waiting, 9) == [(5, 1, 0)]
    assert index.due(9, 10) == []
    assert index.next_ms() is None


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.booleans())
def test_it_is_a_sorted_set(seed: int, on_disk: bool) -> None:
    chance = random.Random(seed)
    disk = SimulatedDisk(chance, capacity_bytes=1 << 30) if on_disk else None
    index, waiting = made(disk, "/timers")
    bases = {1: 0, 2: 0}
    now = entry = 0
    for _ in range(120):
        step = chance.random()
        if step < 0.6:
            shelf, count = chance.choice((1, 2)), chance.choice((1, 1, 3, 10))
            soon = chance.choice((0, 0, 40))
            add(index, waiting, shelf, bases[shelf], [now + soon + chance.randrange(100) for _ in range(count)], now)
            bases[shelf] += count
        elif step < 0.75:
            now += chance.randrange(20)
            expected = sorted((due, *place) for place, due in waiting.waiting.items() if due <= now)
            assert sorted(fire(index, waiting, now)) == expected
        elif step < 0.9 and waiting.waiting:
            shelf, offset = chance.choice(list(waiting.waiting))
            assert (shelf, offset) in index.find(shelf * 1_000_000 + offset)
            del waiting.waiting[shelf, offset]
        elif disk is not None:
            if chance.random() < 0.5:
                runs = index.compact()
                if runs:
                    index.merge(runs)
            elif (raw := index.raw(now + chance.choice((0, 15, 1_000)))) is not None:
                index.sort(raw)
            checkpoint = index.capture(entry)
            index.save(checkpoint)
            if chance.random() < 0.5:
                again = TimerIndex(disk, "/timers")
                again.shelves = waiting
                if again.restore(entry):
                    index = again
                else:
                    assert not waiting.waiting or (not checkpoint.timers and not checkpoint.runs)
            entry += 1
        assert index.next_ms() == min(waiting.waiting.values(), default=None)
    expected = sorted((due, *place) for place, due in waiting.waiting.items())
    assert sorted(fire(index, waiting, now + 1000, 100_000)) == expected
    assert index.next_ms() is None


def test_runs_that_are_done_with_go(tmp_path: Path) -> None:
    index, waiting = made(SystemDisk(), str(tmp_path))
    for base in range(0, 200, 10):
        add(index, waiting, 1, base, [base + at for at in range(10)])
    index.save(index.capture(0))
    assert len(list(tmp_path.glob("*.run"))) > 3
    fire(index, waiting, 1000, 10_000)
    index.save(index.capture(1))
    assert list(tmp_path.glob("*.run")) == []


def test_merged_runs_keep_what_waits(tmp_path: Path) -> None:
    index, waiting = made(SystemDisk(), str(tmp_path))
    for base in range(0, 400, 10):
        add(index, waiting, 1, base, [1000 - base - at for at in range(10)])
    for offset in range(0, 400, 3):
        del waiting.waiting[1, offset]
    before = len(index.capture(0).runs)
    runs = index.compact()
    assert len(runs) == before > 4
    index.merge(runs)
    assert len(index.capture(0).runs) == 1
    assert index.find(1_000_001) == [(1, 1)]
    assert len(fire(index, waiting, 1000, 1000)) == 400 - 134


def test_a_disk_that_refuses_leaves_all_in_memory() -> None:
    disk = SimulatedDisk(random.Random(1), capacity_bytes=0)
    index, waiting = made(disk, "/timers")
    for base in range(0, 100, 10):
        add(index, waiting, 1, base, [base + at for at in range(10)])
    with pytest.raises(OMSRuntimeException) as caught:
        index.save(index.capture(0))
    assert caught.value.code == 1501
    assert len(fire(index, waiting, 1000)) == 100


@pytest.mark.parametrize("older", [False, True])
def test_no_checkpoint_for_the_snapshot(tmp_path: Path, older: bool) -> None:
    index, waiting = made(SystemDisk(), str(tmp_path))
    for base in range(0, 60, 10):
        add(index, waiting, 1, base, [base + at for at in range(10)])
    if older:
        index.save(index.capture(4))
    again, _ = made(SystemDisk(), str(tmp_path))
    assert not again.restore(5)
    assert list(tmp_path.glob("*.run")) == []
    assert not TimerIndex(None, "").restore(0)


def far(index: TimerIndex, waiting: Waiting) -> None:
    """Two raw runs, of two shelves each."""
    for base in range(0, 50, 5):
        add(index, waiting, 1, base, [1_000 - base - at for at in range(5)], 0)
        add(index, waiting, 2, base, [1_500 + base + at for at in range(5)], 0)


def test_what_is_far_away_is_sorted_when_it_comes_near(tmp_path: Path) -> None:
    index, waiting = made(SystemDisk(), str(tmp_path))
    far(index, waiting)
    raw = index.raw(2_000)
    assert raw is not None
    assert [at for _, at in index.capture(0).runs].count(RAW) == len(index.capture(0).runs) > 2
    assert index.raw(raw.first[0] - 1) is None
    assert index.next_ms() == min(waiting.waiting.values())
    assert index.find(1_000_007) == [(1, 7)]
    while (raw := index.raw(5_000)) is not None:
        index.sort(raw, in_order(*raw.columns()))
        index.sort(raw)  # it is gone: nothing happens
    assert {at for _, at in index.capture(0).runs} == {0}
    assert index.find(1_000_007) == [(1, 7)]
    expected = sorted((due, *place) for place, due in waiting.waiting.items())
    assert fire(index, waiting, 5_000) == expected


def test_what_is_due_in_a_raw_run_comes_in_order(tmp_path: Path) -> None:
    index, waiting = made(SystemDisk(), str(tmp_path))
    far(index, waiting)
    del waiting.waiting[1, 49]  # the first of all, cancelled
    index.save(index.capture(3))
    again, _ = made(SystemDisk(), str(tmp_path))
    again.shelves = waiting
    assert again.restore(3)
    assert again.next_ms() == min(waiting.waiting.values())
    expected = sorted((due, *place) for place, due in waiting.waiting.items())
    assert fire(again, waiting, expected[4][0]) == expected[:5]
    assert fire(again, waiting, 5_000) == expected[5:]
    assert again.next_ms() is None


def test_a_raw_run_on_a_disk_that_refuses_goes_back_into_memory() -> None:
    disk = SimulatedDisk(random.Random(1), capacity_bytes=1 << 30)
    index, waiting = made(disk, "/timers")
    far(index, waiting)
    disk.capacity_bytes = 0
    while (raw := index.raw(5_000)) is not None:
        index.sort(raw)
    assert index.capture(0).runs == []
    assert index.find(2_000_007) == [(2, 7)]
    expected = sorted((due, *place) for place, due in waiting.waiting.items())
    assert fire(index, waiting, 5_000) == expected


def test_a_raw_run_begins_with_what_still_waits() -> None:
    index, waiting = made(SimulatedDisk(random.Random(1)), "timers")
    add(index, waiting, 1, 0, [900, 100, 500], now=0)
    del waiting.waiting[1, 1]
    assert index.next_ms() == 500  # the first one was passed over, the others are sorted
    add(index, waiting, 2, 0, list(range(1_000, 1_017)), now=0)
    add(index, waiting, 3, 0, [200], now=0)  # and now a run is written
    found = index.raw(LATEST_MS)
    assert found is not None
    assert found.at == RAW
    assert found.first == (200, 3, 0)
    assert index.next_ms() == 200
    assert [due for due, _, _ in fire(index, waiting, 600)] == [200, 500]
