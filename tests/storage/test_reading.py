from collections.abc import Callable

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.cache import BLOCK_BYTES
from openmessaging.storage.log import Log
from openmessaging.storage.reading import Group, staged_bytes
from openmessaging.storage.segment.writer import Segment

from .conftest import ROOT, SEGMENT

OpenLog = Callable[..., Log]


def test_reads_across_blocks_and_beyond_them(open_log: OpenLog) -> None:
    log = open_log(segment_bytes=4 << 20)
    body = bytes(range(256)) * 2_000
    start = log.append([body]).body_position
    log.flush()
    for position, size in ((0, 10), (BLOCK_BYTES - 50, 100), (BLOCK_BYTES, 1), (100, BLOCK_BYTES + 5), (7, 300_000)):
        assert log.read(start + position, size) == body[position : position + size]


def test_a_block_read_early_does_not_hide_what_is_written_later(open_log: OpenLog) -> None:
    log = open_log()
    first = log.append([b"first"])
    log.flush()
    assert log.read(first.body_position, 5) == b"first"
    second = log.append([b"second"])
    assert log.read(second.body_position, 6) == b"second"
    log.flush()
    assert log.read(second.body_position, 6) == b"second"
    assert log.read(first.body_position, 5) == b"first"


def test_bounds(open_log: OpenLog) -> None:
    log = open_log()
    log.append([b"x"])
    for position, size in ((-1, 1), (0, 1_000), (10, -1)):
        with pytest.raises(OMSRuntimeException, match=r"1418 .*outside the log, which has 0 to 40"):
            log.read(position, size)
    with pytest.raises(OMSRuntimeException, match=r"1418 .*index 1 is outside"):
        log.get(1)
    assert list(log.entries(1)) == []


def test_a_file_cut_under_an_open_log_is_damage(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    result = log.append([b"x" * 2_000])
    log.flush()
    disk.open(SEGMENT).truncate(4096 + 1_000)
    with pytest.raises(OMSRuntimeException, match=r"1501 .*position 1000: the file is cut short"):
        log.read(result.body_position, 2_000)


def test_damage_that_a_clean_open_did_not_look_for(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    positions = [log.append([b"x" * 100]).position for _ in range(400)]
    log.close()
    for place, size_is_known in ((4, False), (50, True)):  # a size, and a byte of a body
        twin = disk.fork()
        twin.flip_bit(SEGMENT, 4096 + positions[5] + place, 0)
        log = Log.open(twin, ROOT, zero_fill=True, segment_bytes=64 * 1024)
        assert log.recovery.clean
        with pytest.raises(OMSRuntimeException, match=r"1501 .*index 5: the entry's (header|CRC)"):
            log.get(5)
        if size_is_known:  # nothing else suffers
            assert log.get(300).position == positions[300]
        else:
            with pytest.raises(OMSRuntimeException, match=r"1501 .*index 5: the entry's header is damaged"):
                log.get(300)


def test_headers_damaged_after_the_map_was_made(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    positions = [log.append([b"x" * 100]).position for _ in range(300)]
    log.flush()
    disk.flip_bit(SEGMENT, 4096 + positions[5] + 4, 0)
    with pytest.raises(OMSRuntimeException, match=r"index 7: the entries before it cannot be followed"):
        log.get(7)
    with pytest.raises(OMSRuntimeException, match=r"index 7: the entries before it cannot be followed"):
        list(log.entries(7))
    with pytest.raises(OMSRuntimeException, match=r"index 5: the entry's header is damaged"):
        log.get(5)
    assert log.get(4).position == positions[4]


def test_staged_bytes_of_several_groups() -> None:
    segment = Segment("x", 0, 0, 0, 0)
    groups = [Group(segment), Group(segment), Group(segment)]
    groups[0].buffers, groups[0].positions = [b"abc", b"def"], [10, 13]
    groups[2].buffers, groups[2].positions = [b"ghi"], [16]
    assert staged_bytes(groups, 11, 15) == b"bcde"
    assert staged_bytes(groups, 14, 19) == b"ef"
    assert staged_bytes(groups, 16, 17) == b"g"
    with pytest.raises(AssertionError):
        staged_bytes(groups, 19, 20)
