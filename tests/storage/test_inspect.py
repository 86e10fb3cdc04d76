import random
from pathlib import Path

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.inspect import Finding, dump, info, verify
from openmessaging.storage.lock import StoreLock
from openmessaging.storage.log import Log
from openmessaging.storage.snapshot import SnapshotStore, snapshot_name
from openmessaging.system.disk import SystemDisk

from .conftest import ROOT, SEGMENT

BODIES = [random.Random(number).randbytes(3_000).replace(b"\0", b"\1") for number in range(40)]


@pytest.fixture
def store(disk: SimulatedDisk) -> SimulatedDisk:
    """Several segments, an index, a snapshot; the process was killed."""
    log = Log.open(disk, ROOT, zero_fill=True, segment_bytes=64 * 1024)
    indexes = PartitionIndexes(disk, f"{ROOT}/index")
    for offset, body in enumerate(BODIES):
        result = log.append([body])
        indexes.add(1, offset, 1, result.body_position, len(body), 0)
        log.flush()
    indexes.sync()
    SnapshotStore(disk, f"{ROOT}/snapshots").save(20, b"state")
    disk.kill()
    return disk


def position(index: int) -> int:
    return index * 3_040


def test_a_whole_store(store: SimulatedDisk) -> None:
    report = verify(ROOT, store)
    assert report.whole
    assert (report.segments, report.entries, report.snapshots, report.index_files) == (3, 40, 1, 1)
    assert report.findings == []
    dumped = list(dump(ROOT, store))
    assert [entry.body for entry in dumped] == BODIES
    assert [entry.index for entry in dumped] == list(range(40))
    assert {entry.problem for entry in dumped} == {None}
    assert [entry.position for entry in dumped] == [position(index) for index in range(40)]


def test_a_store_at_a_glance(store: SimulatedDisk) -> None:
    seen = info(ROOT, store)
    assert [segment.base_index for segment in seen.segments] == [0, 14, 28]
    assert (seen.min_index, seen.max_index, seen.clean) == (0, None, False)
    assert (seen.snapshots, seen.index_files, seen.holder) == ([20], 1, None)
    assert seen.size_bytes > 40 * 3_040
    Log.open(store, ROOT, zero_fill=True).close()
    seen = info(ROOT, store)
    assert (seen.max_index, seen.clean) == (39, True)


def test_a_real_directory_names_its_holder(tmp_path: Path) -> None:
    directory = str(tmp_path)
    with pytest.raises(OMSRuntimeException, match=r"1418 .*holds no store"):
        verify(directory)
    lock = StoreLock.acquire(directory)
    log = Log.open(SystemDisk(), directory, zero_fill=False)
    log.append([b"x"])
    log.flush()
    seen = info(directory)
    assert seen.holder is not None
    assert seen.holder["pid"] > 0
    assert verify(directory).entries == 1
    assert next(dump(directory)).body == b"x"
    log.close()
    lock.release()


def test_damage_in_the_middle_is_found_passed_over_and_told(store: SimulatedDisk) -> None:
    store.flip_bit(SEGMENT, 4096 + position(3) + 500, 0)
    report = verify(ROOT, store)
    assert not report.whole
    assert report.entries == 39
    what = "3040 bytes are no whole entry; entries 3 to 3 are missing"
    assert report.findings == [Finding(SEGMENT, what, True, position(3), 3)]
    dumped = list(dump(ROOT, store))
    assert [entry.index for entry in dumped] == list(range(40))
    assert [(entry.index, entry.problem) for entry in dumped if entry.problem] == [(3, what)]
    assert [entry.body for entry in dumped if not entry.problem] == BODIES[:3] + BODIES[4:]


def test_damage_at_the_end_of_a_sealed_segment(store: SimulatedDisk) -> None:
    store.flip_bit(SEGMENT, 4096 + position(13) + 500, 0)
    (finding,) = verify(ROOT, store).findings
    assert (finding.what, finding.position, finding.index) == ("3040 bytes are no whole entry", position(13), 13)
    store.open(SEGMENT).truncate(4096 + position(13))
    (finding,) = verify(ROOT, store).findings
    assert (finding.acknowledged, finding.index) == (True, 13)
    assert "does not reach the next segment (position 42560, index 14)" in finding.what


def test_a_torn_tail_is_told_apart_from_damage(store: SimulatedDisk) -> None:
    path = f"{ROOT}/log/{position(28):020d}.seg"
    twin = store.fork()
    twin.open(path).write_at(4096 + position(11) + 1_500, [bytes(2_000)])
    (finding,) = verify(ROOT, twin).findings
    assert not finding.acknowledged
    assert (finding.path, finding.index, finding.position) == (path, 39, position(39))
    assert "torn tail of " in finding.what
    assert [entry.problem is None for entry in dump(ROOT, twin)] == [True] * 39 + [False]
    store.flip_bit(path, 4096 + position(11) + 1_500, 0)
    store.flip_bit(path, 4096 + position(5), 0)
    first, second = verify(ROOT, store).findings
    assert (first.acknowledged, first.index) == (True, 33)
    assert "proves it was synced" in first.what
    assert (second.acknowledged, second.index) == (True, 39)


def test_damaged_headers_and_missing_files(store: SimulatedDisk) -> None:
    store.flip_bit(SEGMENT, 0, 0)
    store.remove(f"{ROOT}/log/{position(28):020d}.seg")
    report = verify(ROOT, store)
    assert not report.whole
    assert report.findings[0].path == SEGMENT
    assert "this is not a segment header" in report.findings[0].what
    assert next(dump(ROOT, store)).problem == report.findings[0].what
    with pytest.raises(OMSRuntimeException, match="1501"):
        info(ROOT, store)
    for name in store.list(f"{ROOT}/log"):
        store.remove(f"{ROOT}/log/{name}")
    assert "there is no segment" in verify(ROOT, store).findings[0].what


def test_a_segment_under_a_wrong_name(store: SimulatedDisk) -> None:
    store.rename(SEGMENT, f"{ROOT}/log/{8:020d}.seg")
    assert any("names position 0" in finding.what for finding in verify(ROOT, store).findings)


def test_a_clean_mark_that_does_not_fit(store: SimulatedDisk) -> None:
    Log.open(store, ROOT, zero_fill=True).close()
    assert verify(ROOT, store).findings == []
    twin = store.fork()
    twin.flip_bit(f"{ROOT}/clean", 20, 0)
    (finding,) = verify(ROOT, twin).findings
    assert (finding.path, finding.acknowledged) == (f"{ROOT}/clean", False)
    store.open(f"{ROOT}/log/{position(28):020d}.seg").truncate(4096 + 100)
    assert any("closed in order" in finding.what and finding.acknowledged for finding in verify(ROOT, store).findings)


def test_snapshots(store: SimulatedDisk) -> None:
    path = f"{ROOT}/snapshots/{snapshot_name(20)}"
    store.flip_bit(path, 37, 0)
    report = verify(ROOT, store)
    assert report.whole, "the log is there from its beginning"
    assert (report.snapshots, [finding.path for finding in report.findings]) == (0, [path])
    store.flip_bit(path, 37, 0)
    store.open(path).write_at(8, [b"\0\2\xff\xfd"])
    assert "format 2" in verify(ROOT, store).findings[0].what
    log = Log.open(store, ROOT, zero_fill=True, segment_bytes=64 * 1024)
    log.drop_before(20)
    assert not verify(ROOT, store).whole, "the log needs a snapshot"


def test_indexes_never_concern_what_was_acknowledged(store: SimulatedDisk) -> None:
    path = f"{ROOT}/index/1.idx"
    for place, what in ((600, "entry 2 is not whole"), (5, "its header is damaged")):
        store.flip_bit(path, place, 0)
        report = verify(ROOT, store)
        assert report.whole
        assert what in report.findings[0].what
    store.open(path).write_at(0, [b"OMS-IDX\0\0\2\xff\xfd"])
    assert "format 2" in verify(ROOT, store).findings[0].what


class Unreadable(SimulatedDisk):
    """One path cannot be opened."""

    path = ""

    def open(self, path: str, *, create: bool = False, read_only: bool = False):
        if path == self.path:
            raise OSError(5, "Input/output error", path)
        return super().open(path, create=create, read_only=read_only)


@pytest.mark.parametrize("path", [SEGMENT, f"{ROOT}/index/1.idx", f"{ROOT}/snapshots/{snapshot_name(20)}"])
def test_files_that_cannot_be_read_are_findings(store: SimulatedDisk, path: str) -> None:
    store.__class__ = Unreadable
    store.path = path
    report = verify(ROOT, store)
    assert any(finding.path == path and "Input/output error" in finding.what for finding in report.findings)
    assert report.whole == (path != SEGMENT)
