import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.snapshot import SnapshotStore, check_snapshot, snapshot_name

DIRECTORY = "/store/snapshots"


def path(index: int) -> str:
    return f"{DIRECTORY}/{snapshot_name(index)}"


def test_the_newest_two_are_kept_and_survive_a_crash(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    assert store.newest() is None
    for index, covered in ((3, -1), (10, 3), (200, 10)):
        store.save(index, b"state %d" % index)
        assert store.covered_index() == covered
    disk.crash()
    store = SnapshotStore(disk, DIRECTORY)
    assert store.indexes()[-2:] == [10, 200]
    assert store.newest() == (200, b"state 200")
    assert store.problems == []
    store.save(201, b"")
    assert store.newest() == (201, b"")
    assert store.indexes() == [200, 201]


def test_a_damaged_one_is_passed_over_and_told(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    store.save(2, b"two")
    disk.flip_bit(path(2), 38, 0)
    assert store.newest() == (1, b"one")
    assert store.problems == [f"{path(2)}: its CRC does not match"]
    disk.open(path(1)).truncate(10)
    assert store.newest() is None
    assert store.problems == [f"{path(2)}: its CRC does not match", f"{path(1)}: it is cut short"]


def test_a_damaged_one_holds_no_entries_back_and_goes_with_the_next(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    store.save(2, b"two")
    disk.flip_bit(path(2), 38, 0)
    assert store.newest() == (1, b"one")
    assert store.covered_index() == -1
    store.save(3, b"three")
    assert (store.indexes(), store.covered_index()) == ([1, 3], 1)
    store.save(4, b"four")
    assert (store.indexes(), store.covered_index()) == ([3, 4], 3)
    assert store.newest() == (4, b"four")
    assert store.problems == []


def test_a_damaged_one_is_written_anew(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    store.save(2, b"two")
    disk.flip_bit(path(2), 38, 0)
    store.newest()
    store.save(2, b"two")
    assert (store.indexes(), store.covered_index()) == ([1, 2], 1)
    assert store.newest() == (2, b"two")


def test_any_flipped_bit_is_found(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(5, b"the state")
    data = disk.open(path(5)).read_at(0, 1_000)
    assert check_snapshot(data, 5, "x") is None
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert check_snapshot(bytes(flipped), 5, "x") is not None
    assert check_snapshot(data, 6, "x") is not None
    assert check_snapshot(data + b"x", 5, "x") is not None


def test_a_newer_format_is_its_own_error(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(5, b"the state")
    disk.open(path(5)).write_at(8, [b"\0\2\xff\xfd"])
    with pytest.raises(OMSRuntimeException, match=r"1101 .*format 2"):
        store.newest()


@pytest.mark.parametrize("fault", ["fail_write_in", "fail_sync_in", "full"])
def test_a_failed_save_leaves_the_earlier_ones(disk: SimulatedDisk, fault: str) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    if fault == "full":
        disk.capacity_bytes = 100
    else:
        setattr(disk, fault, 1)
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot save the snapshot"):
        store.save(2, bytes(5_000))
    assert disk.list(DIRECTORY) == [snapshot_name(1)]
    disk.capacity_bytes = 1 << 30
    store.save(2, b"two")
    assert store.newest() == (2, b"two")


def test_left_behind_temporary_files_do_not_count(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    disk.open(path(9) + ".tmp", create=True)
    assert store.indexes() == [1]
    store.save(2, b"two")
    assert disk.list(DIRECTORY) == [snapshot_name(1), snapshot_name(2)]


def test_a_name_is_durable_before_it_is_relied_on(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    disk.fail_sync_in = 2
    with pytest.raises(OMSRuntimeException):
        store.save(2, b"two")
    disk.kill()
    assert SnapshotStore(disk, DIRECTORY).newest() == (2, b"two")
    disk.crash()
    assert SnapshotStore(disk, DIRECTORY).newest() == (2, b"two")


def test_a_directory_that_cannot_be_synced_is_an_error(disk: SimulatedDisk) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")
    disk.fail_sync_in = 1
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot open the snapshots"):
        store.newest()


def test_an_unreadable_one_is_told(disk: SimulatedDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore(disk, DIRECTORY)
    store.save(1, b"one")

    def fail(path: str) -> bytes:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(store, "_read", fail)
    assert store.newest() is None
    assert store.problems == [f"{path(1)}: Input/output error"]
