import random

import pytest

from openmessaging.simulation.disk import SECTOR_BYTES, SimulatedDisk


def made(seed: int = 0, **options: object) -> SimulatedDisk:
    disk = SimulatedDisk(random.Random(seed), **options)  # type: ignore[arg-type]
    disk.make_directory("/d")
    return disk


def test_what_was_synced_survives_and_nothing_else_for_sure() -> None:
    kept = set()
    for seed in range(60):
        disk = made(seed)
        file = disk.open("/d/x", create=True)
        file.write_at(0, [b"a" * SECTOR_BYTES])
        file.sync()
        disk.sync_directory("/d")
        file.write_at(SECTOR_BYTES, [b"b" * SECTOR_BYTES, b"c" * SECTOR_BYTES])
        disk.crash()
        content = disk.open("/d/x").read_at(0, 5_000)
        assert content[:SECTOR_BYTES] == b"a" * SECTOR_BYTES
        kept.add(content[SECTOR_BYTES:].replace(b"\0" * SECTOR_BYTES, b".").replace(b"b" * SECTOR_BYTES, b"b"))
    assert {part[:2].replace(b"c" * 2, b"c") for part in kept} >= {b"", b"..", b"b.", b".c", b"bc"}


def test_names_survive_when_their_directory_was_synced() -> None:
    outcomes = set()
    for seed in range(40):
        disk = made(seed)
        disk.open("/d/old", create=True)
        disk.open("/d/gone", create=True)
        disk.sync_directory("/d")
        disk.open("/d/new", create=True)
        disk.rename("/d/new", "/d/old")
        disk.remove("/d/gone")
        assert disk.list("/d") == ["old"]
        disk.crash()
        outcomes.add(tuple(disk.list("/d")))
    assert all("old" in names for names in outcomes), "a name is replaced whole or not at all"
    assert ("new", "old") in outcomes, "the renaming was lost, the creation was not"
    assert ("old",) in outcomes
    assert ("gone", "old") in outcomes


def test_a_durable_write_makes_only_itself_durable() -> None:
    lost = False
    for seed in range(20):
        disk = made(seed)
        file = disk.open("/d/x", create=True)
        disk.sync_directory("/d")
        file.write_at(0, [b"a" * SECTOR_BYTES])
        file.write_durable(SECTOR_BYTES, [b"b" * 10])
        file.write_durable(0, [])
        disk.crash()
        content = disk.open("/d/x").read_at(0, 5_000)
        assert content[SECTOR_BYTES:] == b"b" * 10
        lost |= content[:1] != b"a"
    assert lost


def test_a_failed_sync_shows_what_it_never_writes() -> None:
    """The next sync succeeds and does not help: what Linux does, and why the log is poisoned."""
    lost = False
    for seed in range(20):
        disk = made(seed)
        file = disk.open("/d/x", create=True)
        disk.sync_directory("/d")
        file.write_at(0, [b"a" * 4_000])
        disk.fail_sync_in = 1
        with pytest.raises(OSError, match="Input/output"):
            file.sync()
        file.sync()
        assert file.read_at(0, 5_000) == b"a" * 4_000
        disk.crash()
        lost |= disk.open("/d/x").read_at(0, 5_000) != b"a" * 4_000
    assert lost


@pytest.mark.parametrize("call", ["write_at", "write_durable"])
def test_a_failed_write(call: str) -> None:
    disk = made()
    file = disk.open("/d/x", create=True)
    disk.fail_write_in = 2
    getattr(file, call)(0, [b"a" * 3_000])
    with pytest.raises(OSError, match="Input/output"):
        getattr(file, call)(0, [b"b" * 3_000])
    assert set(file.read_at(0, 5_000)) <= set(b"ab")
    getattr(file, call)(0, [b"c" * 3_000])
    disk.fail_sync_in = 1
    with pytest.raises(OSError, match="Input/output"):
        file.write_durable(0, [b"d" * 3_000])


def test_space_is_limited() -> None:
    disk = made(capacity_bytes=5_000)
    file = disk.open("/d/x", create=True)
    file.allocate(4_000)
    assert disk.free_bytes("/d") == 1_000
    file.write_at(0, [b"a" * 4_000])
    with pytest.raises(OSError, match="No space"):
        file.write_at(4_000, [b"b" * 2_000])
    with pytest.raises(OSError, match="No space"):
        file.allocate(6_000)
    disk.capacity_bytes = 9_000
    file.write_at(4_000, [b"b" * 2_000])


def test_open_files_end_with_the_process() -> None:
    disk = made()
    file = disk.open("/d/x", create=True)
    reader = disk.open("/d/x", read_only=True)
    with pytest.raises(OSError, match="Bad file"):
        reader.write_at(0, [b"x"])
    file.close()
    with pytest.raises(OSError, match="Bad file"):
        file.read_at(0, 1)
    file = disk.open("/d/x")
    file.write_at(0, [b"kept by the system"])
    disk.kill()
    with pytest.raises(OSError, match="Bad file"):
        file.read_at(0, 1)
    assert disk.open("/d/x").read_at(0, 99) == b"kept by the system"


def test_missing_names() -> None:
    disk = made()
    for call in (
        lambda: disk.open("/d/x"),
        lambda: disk.open("/nowhere/x", create=True),
        lambda: disk.remove("/d/x"),
        lambda: disk.rename("/d/x", "/d/y"),
    ):
        with pytest.raises(FileNotFoundError):
            call()
    assert disk.exists("/d")
    assert not disk.exists("/d/x")


def test_a_fork_goes_its_own_way() -> None:
    disk = made()
    disk.open("/d/x", create=True).write_at(0, [b"abc"])
    twin = disk.fork()
    twin.flip_bit("/d/x", 0, 0)
    twin.flip_bit("/d/x", 99, 0)
    assert twin.open("/d/x").read_at(0, 9) == b"`bc"
    assert disk.open("/d/x").read_at(0, 9) == b"abc"


def test_truncation_can_be_lost_and_growth_too() -> None:
    sizes = set()
    for seed in range(30):
        disk = made(seed)
        file = disk.open("/d/x", create=True)
        file.write_at(0, [b"a" * 600])
        file.sync()
        disk.sync_directory("/d")
        file.truncate(100)
        assert file.size() == 100
        file.truncate(900)
        disk.crash()
        sizes.add(disk.open("/d/x").size())
    assert sizes == {600, 900}


def test_equal_runs_have_equal_traces_and_take_time() -> None:
    def run(text: bytes) -> tuple[str, float]:
        spent: list[float] = []
        disk = made(delay=spent.append)
        file = disk.open("/d/x", create=True)
        file.write_at(0, [text])
        file.sync()
        disk.crash()
        return disk.trace_hash(), sum(spent)

    assert run(b"a") == run(b"a")
    assert run(b"a")[0] != run(b"b")[0]
    assert run(b"a")[1] > 0.0001
