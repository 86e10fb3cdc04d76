import random
from collections.abc import Callable

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.log import Log

from .conftest import ROOT, SEGMENT

OpenLog = Callable[..., Log]


def filled(open_log: OpenLog, count: int = 7) -> Log:
    log = open_log()
    for number in range(count):
        log.append([bytes([number + 1]) * 20_000])
    log.flush()
    return log


def paths(disk: SimulatedDisk) -> list[str]:
    return [f"{ROOT}/log/{name}" for name in disk.list(f"{ROOT}/log") if name.endswith(".seg")]


def test_spares_of_a_dead_process_are_removed(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.prepare()
    disk.kill()
    open_log()
    assert disk.list(f"{ROOT}/log") == [SEGMENT.rpartition("/")[2]]


def test_a_clean_open_reads_nothing_and_still_finds_all(open_log: OpenLog) -> None:
    filled(open_log).close()
    log = open_log()
    assert (log.recovery.clean, log.recovery.entries) == (True, 0)
    log.append([b"new"])
    assert log.get(7).body == b"new"
    assert log.get(6).body == bytes([7]) * 20_000
    assert log.get(1).body == bytes([2]) * 20_000


def test_after_a_crash_only_what_follows_the_snapshot_is_read(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    assert open_log(scan_from=5).recovery.entries == 3
    disk.kill()
    assert open_log().recovery.entries == 7


def test_a_log_that_ends_before_its_snapshot_is_damaged(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    with pytest.raises(OMSRuntimeException, match=r"1501 .*index 7: .*entries up to 9 had been synced"):
        open_log(scan_from=10)


def test_damage_in_a_sealed_segment_is_refused(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    disk.flip_bit(paths(disk)[1], 4096 + 100, 0)
    with pytest.raises(OMSRuntimeException, match=r"1501 .*index 2: the entry is not whole"):
        open_log()
    log = open_log(scan_from=6)  # not read when it is opened, found when it is read
    with pytest.raises(OMSRuntimeException, match=r"1501 .*index 2: the entry's CRC"):
        log.get(2)
    with pytest.raises(OMSRuntimeException, match=r"1501 .*index 2: the entry is not whole"):
        list(log.entries(2))


def test_a_missing_segment_is_damage(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    disk.remove(paths(disk)[1])
    with pytest.raises(OMSRuntimeException, match="does not reach the next segment"):
        open_log()


def test_a_segment_under_a_wrong_name_is_damage(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    disk.rename(paths(disk)[0], f"{ROOT}/log/{7:020d}.seg")
    with pytest.raises(OMSRuntimeException, match="its header names position 0"):
        open_log()


def test_a_tail_missing_after_a_clean_close_is_damage(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log).close()
    twin = disk.fork()
    twin.open(paths(disk)[-1]).truncate(4096 + 10_000)
    with pytest.raises(OMSRuntimeException, match=r"closed in order, but its last entry is not there"):
        Log.open(twin, ROOT, zero_fill=True)
    twin = disk.fork()
    twin.remove(paths(disk)[-1])
    with pytest.raises(OMSRuntimeException, match="closed in order"):
        Log.open(twin, ROOT, zero_fill=True)
    for path in paths(disk):
        disk.remove(path)
    with pytest.raises(OMSRuntimeException, match="closed in order, but no segment is there"):
        open_log()


def test_a_last_segment_newer_than_the_clean_mark_is_damage(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.append([b"x"])
    log.close()
    mark = disk.open(f"{ROOT}/clean").read_at(0, 100)
    filled(open_log)
    disk.kill()
    disk.open(f"{ROOT}/clean", create=True).write_at(0, [mark])
    with pytest.raises(OMSRuntimeException, match="closed in order before this segment"):
        open_log()


def test_a_newer_format_is_refused_and_untouched(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.kill()
    disk.open(paths(disk)[0]).write_at(8, [b"\0\2\xff\xfd"])
    with pytest.raises(OMSRuntimeException, match=r"1101 .*format 2.*release that wrote it"):
        open_log()


def test_other_files_are_left_alone(open_log: OpenLog, disk: SimulatedDisk) -> None:
    filled(open_log)
    disk.open(f"{ROOT}/log/notes.txt", create=True).write_at(0, [b"mine"])
    disk.kill()
    open_log()
    assert disk.open(f"{ROOT}/log/notes.txt").read_at(0, 9) == b"mine"


def test_what_a_failed_sync_left_behind_is_written_again(disk: SimulatedDisk) -> None:
    """After a failed sync the system shows bytes that it will never write: they must not count as durable unwritten."""
    for seed in range(30):
        disk = SimulatedDisk(random.Random(seed))
        log = Log.open(disk, ROOT, zero_fill=True, segment_bytes=64 * 1024)
        log.append([b"a"])
        log.flush()
        log.append([b"b" * 3_000])
        disk.fail_sync_in = 1
        with pytest.raises(OMSRuntimeException):
            log.flush()
        disk.kill()
        log = Log.open(disk, ROOT, zero_fill=True, segment_bytes=64 * 1024)
        assert log.max_index() == log.durable_index() == 1
        disk.crash()
        assert Log.open(disk, ROOT, zero_fill=True).get(1).body == b"b" * 3_000
