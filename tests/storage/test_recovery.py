"""A torn tail is cut, damage is refused: every cut, every zeroed end, every flipped bit of the last entries."""

import random

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.log import Log
from openmessaging.storage.recovery import CleanMark, read_clean, remove_clean, write_clean

from .conftest import ROOT, SEGMENT

HEADER = 4096


def store(sizes: list[int], *, each_synced: bool) -> tuple[SimulatedDisk, Log, list[bytes]]:
    disk = SimulatedDisk(random.Random(5))
    log = Log.open(disk, ROOT, zero_fill=True, segment_bytes=64 * 1024, salt=3)
    bodies = [random.Random(size).randbytes(size).replace(b"\0", b"\1") for size in sizes]
    for body in bodies:
        log.append([body])
        if each_synced:
            log.flush()
    log.flush()
    disk.kill()
    return disk, log, bodies


def reopen(disk: SimulatedDisk) -> Log:
    return Log.open(disk, ROOT, zero_fill=True, segment_bytes=64 * 1024)


def zero(disk: SimulatedDisk, start: int, size: int) -> None:
    file = disk.open(SEGMENT)
    file.write_at(start, [bytes(size)])
    file.sync()


@pytest.mark.parametrize("how", ["cut", "zero"])
def test_a_tail_torn_at_any_byte_leaves_the_whole_entries(how: str) -> None:
    disk, log, bodies = store([100, 3, 700, 41, 530], each_synced=False)
    first, end = log.get(2).position, log.max_position()
    starts = [log.get(index).position for index in range(5)]
    for position in range(first, end):
        twin = disk.fork()
        file = twin.open(SEGMENT)
        if how == "cut":
            file.truncate(HEADER + position)
        else:
            file.write_at(HEADER + position, [bytes(end - position)])
        file.sync()
        again = reopen(twin)
        whole = [body for body, after in zip(bodies, [*starts[1:], end], strict=True) if after <= position]
        assert [entry.body for entry in again.entries(0)] == whole
        cut = again.recovery.cut
        assert (cut is None) == (position in starts)
        if cut is not None:
            assert (cut.path, cut.index, cut.position) == (SEGMENT, len(whole), starts[len(whole)])
            assert cut.size_bytes <= position - starts[len(whole)]
        assert again.append([b"next"]).index == len(whole)
        again.flush()
        twin.crash()
        assert reopen(twin).get(len(whole)).body == b"next"


def test_a_sector_missing_in_the_middle_of_the_tail_is_a_tear() -> None:
    disk, log, _ = store([5_000, 5_000, 100], each_synced=False)
    zero(disk, HEADER + 512 * 4, 512)
    again = reopen(disk)
    assert again.max_index() == -1
    cut = again.recovery.cut
    assert cut is not None
    assert (cut.index, cut.position, cut.size_bytes) == (0, 0, log.max_position())
    again.append([b"a"])
    again.flush()
    disk.crash()
    assert [entry.body for entry in reopen(disk).entries(0)] == [b"a"], "what was cut does not come back"


def test_a_missing_sector_with_the_header_is_a_tear() -> None:
    disk, log, bodies = store([448, 5_000], each_synced=False)  # the second header lies across two sectors
    position = log.get(1).position
    assert position % 512 > 480
    zero(disk, HEADER + 512, 512)
    assert [entry.body for entry in reopen(disk.fork()).entries(0)] == bodies[:1]


@pytest.mark.parametrize("each_synced", [True, False])
def test_any_flipped_bit_of_whole_entries_is_refused_with_its_place(each_synced: bool) -> None:
    disk, log, _ = store([60, 3, 700, 0, 41], each_synced=each_synced)
    starts = [log.get(index).position for index in range(5)]
    for position in range(log.max_position()):
        twin = disk.fork()
        twin.flip_bit(SEGMENT, HEADER + position, position % 8)
        with pytest.raises(OMSRuntimeException) as caught:
            reopen(twin)
        assert caught.value.code == 1501
        index = max(number for number, start in enumerate(starts) if start <= position)
        assert f"{SEGMENT} at position {starts[index]}, index {index}: " in str(caught.value)
        assert "oms store verify" in caught.value.next_step


def test_an_entry_that_a_later_one_proves_synced_is_damage_even_when_a_sector_is_missing() -> None:
    disk, _, _ = store([2_000, 5, 5], each_synced=True)
    zero(disk, HEADER + 512, 512)
    with pytest.raises(OMSRuntimeException, match=r"index 0: a later entry \(index 1, position \d+\) proves"):
        reopen(disk)


def test_a_body_of_zeros_is_kept_and_its_tear_is_cut() -> None:
    disk, _, _ = store([10], each_synced=True)
    log = reopen(disk)
    log.append([bytes(3_000)])
    log.flush()
    disk.kill()
    assert reopen(disk.fork()).get(1).body == bytes(3_000)
    zero(disk, HEADER + 3_000, 500)
    assert reopen(disk).max_index() == 0


def test_a_body_that_looks_like_entries_proves_nothing() -> None:
    disk, log, _ = store([10, 10], each_synced=True)
    inside = log.slice(0, log.max_position())
    log = reopen(disk)
    log.append([b"x" * 4_000, inside, b"y" * 4_000])
    log.flush()
    zero(disk, HEADER + 1_024, 512)
    again = reopen(disk)
    assert again.max_index() == 1
    assert again.recovery.cut is not None


def test_something_after_the_end_is_cut() -> None:
    disk, log, _ = store([10], each_synced=True)
    disk.flip_bit(SEGMENT, HEADER + log.max_position() + 5_000, 1)
    again = reopen(disk)
    assert again.max_index() == 0
    assert again.recovery.cut is not None


def test_the_clean_mark_round_trips_and_goes() -> None:
    disk = SimulatedDisk(random.Random(0))
    disk.make_directory(ROOT)
    assert read_clean(disk, ROOT) is None
    mark = CleanMark(-1, 0, 0)
    write_clean(disk, ROOT, mark)
    disk.crash()
    assert read_clean(disk, ROOT) == mark
    remove_clean(disk, ROOT)
    disk.crash()
    assert read_clean(disk, ROOT) is None
    remove_clean(disk, ROOT)


def test_a_damaged_clean_mark_counts_as_none_a_newer_one_is_an_error() -> None:
    disk = SimulatedDisk(random.Random(0))
    disk.make_directory(ROOT)
    write_clean(disk, ROOT, CleanMark(1, 2, 3))
    size = disk.open(f"{ROOT}/clean").size()
    for bit in range(size * 8):
        twin = disk.fork()
        twin.flip_bit(f"{ROOT}/clean", bit // 8, bit % 8)
        assert read_clean(twin, ROOT) is None
    disk.open(f"{ROOT}/clean").write_at(8, [b"\0\2\xff\xfd"])
    with pytest.raises(OMSRuntimeException, match=r"1101 .*format 2"):
        read_clean(disk, ROOT)
    disk.open(f"{ROOT}/clean").truncate(5)
    assert read_clean(disk, ROOT) is None
