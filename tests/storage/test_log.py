import errno
import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.log import JOIN_BYTES, Log
from openmessaging.storage.segment.format import MAX_ENTRY_BYTES
from openmessaging.system.disk import SystemDisk

from .conftest import ROOT

OpenLog = Callable[..., Log]


def failing(code: int, match: str = ""):
    return pytest.raises(OMSRuntimeException, match=rf"^{code} .*{match}")


def test_an_empty_log(open_log: OpenLog) -> None:
    log = open_log()
    assert (log.min_index(), log.max_index(), log.min_position(), log.max_position()) == (0, -1, 0, 0)
    assert log.durable_index() == -1
    assert log.flush() == -1
    assert list(log.entries(0)) == []
    with failing(1418):
        log.get(0)


def test_an_entry_is_readable_before_and_after_the_flush_and_the_close(open_log: OpenLog) -> None:
    log = open_log()
    parts = [[b"one"], [b"", b"two", b"!"], [b"x" * JOIN_BYTES, b"", b"y"], []]
    results = [log.append(entry) for entry in parts]
    assert [result.index for result in results] == [0, 1, 2, 3]
    for _ in range(2):
        for result, entry in zip(results, parts, strict=True):
            stored = log.get(result.index)
            body = b"".join(entry)
            assert stored.body == body
            assert (stored.position, stored.size, stored.term) == (result.position, result.size, 0)
            assert stored.body_position == result.body_position
            assert log.read(result.body_position, len(body)) == body
        assert log.flush() == 3
        assert log.durable_index() == 3
    log.close()
    log.close()
    log = open_log()
    assert log.recovery.clean
    assert [entry.body for entry in log.entries(1)] == [b"two!", parts[2][0] + b"y", b""]


def test_a_flush_without_sync_is_not_durable(open_log: OpenLog) -> None:
    log = open_log()
    log.append([b"a"])
    assert log.flush(sync=False) == 0
    assert log.durable_index() == -1
    assert log.flush() == 0
    assert log.durable_index() == 0


def test_the_term_is_stored(open_log: OpenLog) -> None:
    log = open_log()
    log.term = 9
    assert log.append([b"a"]).term == 9
    assert log.get(0).term == 9


def test_segments_follow_one_another_and_grow(disk: SimulatedDisk) -> None:
    log = Log.open(disk, ROOT, zero_fill=False, segment_bytes=16 << 20)
    for _ in range(20):
        log.append([bytes(1 << 20)])
        log.flush()
    segments = log.segments()
    assert len(segments) == 3
    assert segments[1].base_position == segments[0].size_bytes
    assert segments[-1].base_position + segments[-1].size_bytes == log.max_position()
    assert segments[0].size_bytes < 4 << 20 < segments[1].size_bytes < 8 << 20 < segments[2].size_bytes
    assert disk.open(segments[0].path).size() == segments[0].size_bytes + 4096, "the unused tail was given back"


def test_an_entry_larger_than_a_segment_gets_its_own(open_log: OpenLog) -> None:
    log = open_log()
    big = bytes(range(256)) * 1000
    log.append([big])  # the first segment is empty: it is replaced
    log.append([b"small"])
    log.append([big, big])
    log.flush()
    assert [segment.base_index for segment in log.segments()] == [0, 2]
    log.close()
    log = open_log()
    assert log.get(0).body == big
    assert log.get(2).body == big + big
    assert log.read(log.get(2).body_position + 200_000, 200_000) == (big + big)[200_000:400_000]


def test_too_large_an_entry_is_refused(open_log: OpenLog) -> None:
    log = open_log()
    half = bytes(MAX_ENTRY_BYTES // 2)
    with failing(1413):
        log.append([half, half, b"x"])
    assert log.append([b"fits"]).index == 0


def test_prepare_makes_a_spare_that_the_next_segment_uses(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    assert log.prepare()
    assert log.prepare()
    assert [name for name in disk.list(f"{ROOT}/log") if name.startswith("spare")] == ["spare-1.tmp"]
    for _ in range(3):
        log.append([bytes(20_000)])
    log.flush()
    assert len(log.segments()) == 2
    assert [name for name in disk.list(f"{ROOT}/log") if name.startswith("spare")] == []
    assert log.prepare()
    log.append([bytes(200_000)])  # larger than the spare: that is discarded
    log.append([bytes(200_000)])
    log.close()
    assert not log.prepare()
    assert [name for name in disk.list(f"{ROOT}/log") if name.endswith(".tmp")] == []


def test_dropping_keeps_what_is_asked_for(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    for _ in range(10):
        log.append([bytes(20_000)])
    log.flush()
    bases = [segment.base_index for segment in log.segments()]
    assert bases == [0, 2, 4, 6, 8]
    assert log.drop_before(5) == 2
    assert log.min_index() == 4
    assert log.min_position() == log.get(4).position
    assert log.drop_before(3) == 0
    for read in (lambda: log.get(3), lambda: log.read(0, 10), lambda: next(log.entries(0)), lambda: log.slice(0, 1)):
        with failing(1418):
            read()
    assert log.drop_before(99) == 2
    disk.crash()
    log = open_log(scan_from=9)
    assert (log.min_index(), log.max_index()) == (8, 9)


def test_dropping_never_passes_what_is_not_yet_written(open_log: OpenLog) -> None:
    log = open_log()
    for _ in range(6):
        log.append([bytes(20_000)])
    assert log.drop_before(6) == 0
    log.flush()
    assert log.drop_before(6) == 2


def test_a_failed_removal_is_an_error_and_leaves_no_hole(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    for _ in range(10):
        log.append([bytes(20_000)])
    log.flush()
    disk.fail_sync_in = 2
    with failing(1501, "cannot remove"):
        log.drop_before(9)
    assert log.min_index() == 2
    assert next(log.entries(2)).index == 2


def test_a_slice_crosses_entries_segments_and_what_is_staged(open_log: OpenLog) -> None:
    log = open_log()
    for number in range(5):
        log.append([bytes([number]) * 20_000])
    log.flush()
    log.append([b"staged"])
    log.append([b"more"])
    whole = log.slice(0, log.max_position())
    assert len(whole) == log.max_position()
    for number in range(5):
        assert bytes([number]) * 20_000 in whole
    assert whole.endswith(log.slice(log.get(6).position, 32) + b"more" + b"\xa5" * 4)
    assert log.slice(30_000, 15_000) == whole[30_000:45_000]
    assert log.slice(7, 0) == b""
    with failing(1418):
        log.slice(0, log.max_position() + 1)


def test_a_full_disk_refuses_in_time_and_clears_by_itself(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    disk.capacity_bytes = 70_000
    sent = 0
    with failing(1501, "full.*consumers"):
        while True:
            log.append([bytes(1000)])
            sent += 1
    assert sent > 40
    assert not log.prepare()
    assert log.append([b"an acknowledgement"], reserved=True).index == sent
    assert log.flush() == sent
    assert log.get(0).body == bytes(1000)
    with failing(1501, "full"):
        for _ in range(1000):
            log.append([bytes(100)], reserved=True)
    disk.capacity_bytes = 1 << 30
    result = log.append([bytes(1000)])
    log.flush()
    assert log.durable_index() == result.index


def test_a_disk_short_of_space_gets_a_smaller_segment(disk: SimulatedDisk) -> None:
    log = Log.open(disk, "/store", zero_fill=False)
    while len(log.segments()) < 2:
        log.append([bytes(100_000)])
    log.flush()
    disk.capacity_bytes = 24 << 20  # of which the first two segments, 4 and 8 MiB, are taken: 16 MiB do not fit
    while len(log.segments()) < 3:
        log.append([bytes(100_000)])
    log.flush()
    assert disk.free_bytes("/store") >= 4 << 20


def test_another_failure_of_the_disk_is_named(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    disk.fail_sync_in = 1
    log.append([bytes(40_000)])
    with failing(1501, "cannot create a segment"):
        log.append([bytes(40_000)])
    log.append([bytes(40_000)])
    assert log.max_index() == 1


@pytest.mark.parametrize("fault", ["fail_write_in", "fail_sync_in"])
def test_a_failed_write_or_sync_poisons(open_log: OpenLog, disk: SimulatedDisk, fault: str) -> None:
    log = open_log()
    log.append([b"good"])
    log.flush()
    log.append([b"unsure"])
    setattr(disk, fault, 1)
    with failing(1501, "read-only since a write failed: Input/output error"):
        log.flush()
    for _ in range(2):
        with failing(1501, "read-only"):
            log.flush()
        with failing(1501, "read-only"):
            log.append([b"x"], reserved=True)
    assert log.durable_index() == 0
    assert [entry.body for entry in log.entries(0)] == [b"good", b"unsure"]
    assert not log.prepare()
    log.close()
    disk.crash()
    assert open_log().get(0).body == b"good"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_flush_poisons(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    log = open_log()
    log.append([b"unsure"])

    def interrupted(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(log, "_write", interrupted)
    with pytest.raises(failure):
        log.flush()
    monkeypatch.undo()
    with failing(1501, f"read-only since a write failed: {failure.__name__}"):
        log.flush()
    with failing(1501, "read-only"):
        log.append([b"x"])


def test_an_append_interrupted_half_way_is_never_written(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.append([b"good"])
    log.flush()
    log._group.buffers.append(b"half")
    log._group.positions.append(log.max_position())
    log.append([b"next"])
    with failing(1501, "does not add up"):
        log.flush()
    disk.crash()
    assert [entry.body for entry in open_log().entries(0)] == [b"good"]


def test_a_closed_log_refuses(open_log: OpenLog) -> None:
    log = open_log()
    log.close()
    with failing(1501, "closed"):
        log.append([b"x"])


def test_a_failing_close_is_an_error(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    disk.fail_sync_in = 1
    with failing(1501, "cannot close"):
        log.close()


def test_reading_a_file_that_fails_is_an_error(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.append([b"x"])
    log.flush()
    disk.remove(f"{ROOT}/log/{0:020d}.seg")
    with failing(1501, "cannot read .*No such file"):
        log.get(0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=50),
            st.integers(0, 30_000).map(lambda size: b"z" * size),
            st.sampled_from(["flush", "write", "prepare", "drop", "reopen"]),
        ),
        max_size=60,
    )
)
def test_a_log_is_a_list(steps: list[bytes | str]) -> None:
    import random

    disk = SimulatedDisk(random.Random(0))
    log = Log.open(disk, ROOT, zero_fill=False, segment_bytes=64 * 1024)
    model: list[bytes] = []
    for step in steps:
        if isinstance(step, bytes):
            assert log.append([step[:3], step[3:]]).index == len(model)
            model.append(step)
        elif step == "flush":
            assert log.flush() == log.durable_index() == len(model) - 1
        elif step == "write":
            log.flush(sync=False)
        elif step == "prepare":
            assert log.prepare()
        elif step == "drop":
            log.drop_before(len(model) // 2)
            assert log.min_index() <= len(model) // 2
        else:
            log.close()
            log = Log.open(disk, ROOT, zero_fill=False, segment_bytes=64 * 1024)
            assert log.recovery.clean
        first = log.min_index()
        assert [entry.body for entry in log.entries(first)] == model[first:]
        for index in range(first, len(model), 3):
            assert log.get(index).body == model[index]


def test_appends_reads_and_flushes_may_overlap(tmp_path) -> None:
    log = Log.open(SystemDisk(), str(tmp_path), zero_fill=True, segment_bytes=256 * 1024)
    owner, stop = threading.Lock(), threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as failure:
                failures.append(failure)

        return run

    def read() -> None:
        last = log.max_index()
        if last >= 0:
            for index in (last, last // 2):
                assert log.get(index).body == b"%08d" % index * (1 + index % 300)

    threads = [threading.Thread(target=guarded(work)) for work in (read, read, log.flush, log.prepare)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        with owner:
            log.append([b"%08d" % number * (1 + number % 300)])
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    log.close()
    log = Log.open(SystemDisk(), str(tmp_path), zero_fill=True)
    assert [entry.index for entry in log.entries(0)] == list(range(3000))
    log.close()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with failing(1501, "cannot open the log"):
        Log.open(SystemDisk(), str(tmp_path / "file"), zero_fill=False)


def test_no_space_for_the_first_segment(open_log: OpenLog, disk: SimulatedDisk) -> None:
    disk.capacity_bytes = 1000
    with failing(1501, "no space") as caught:
        open_log()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
