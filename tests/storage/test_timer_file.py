from array import array
from pathlib import Path

import pytest

from openmessaging.storage.timer_file import (
    BLOCK,
    CHECKPOINT,
    Checkpoint,
    Damaged,
    RunFile,
    encode_run,
    find_in,
    load_checkpoint,
    save_checkpoint,
)
from openmessaging.system import SystemDisk

IDS = [(5, 3, 70, 0), (1 << 100, 1, 9, 1 << 40)]


def written(path: Path, count: int = 3) -> RunFile:
    dues = array("q", [1000 + at for at in range(count)])
    refs = array("Q", [(at % 2) << 48 | at for at in range(count)])
    path.write_bytes(encode_run([9, 70], dues, refs, IDS))
    return RunFile(1, lambda: SystemDisk().open(str(path), read_only=True))


def test_timers_come_back_in_blocks(tmp_path: Path) -> None:
    run = written(tmp_path / "run", 2 * BLOCK + 5)
    found = []
    while (timer := run.timer()) is not None:
        found.append(timer)
        run.at += 1
    assert found == [(1000 + at, 70 if at % 2 else 9, at) for at in range(2 * BLOCK + 5)]


@pytest.mark.parametrize(
    ("number", "found"), [(4, None), (5, 0), (7, 0), (8, None), (1 << 100, 1), ((1 << 100) + 1, None)]
)
def test_ids_are_found(tmp_path: Path, number: int, found: int | None) -> None:
    expected = None if found is None else IDS[found]
    run = written(tmp_path / "run")
    assert run.find(number) == expected
    assert find_in(IDS, number) == expected
    assert run.ids() == IDS


@pytest.mark.parametrize("at", [0, 8, 20, 40, -1])
def test_a_flipped_byte_is_found(tmp_path: Path, at: int) -> None:
    path = tmp_path / "run"
    written(path)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        RunFile(1, lambda: SystemDisk().open(str(path)))


@pytest.mark.parametrize("size", [0, 10, 60])
def test_a_file_that_is_cut_is_found(tmp_path: Path, size: int) -> None:
    path = tmp_path / "run"
    written(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        RunFile(1, lambda: SystemDisk().open(str(path)))


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    disk, directory = SystemDisk(), str(tmp_path)
    with pytest.raises(Damaged):
        load_checkpoint(disk, directory)
    checkpoint = Checkpoint(1, 7, 3, [(2, 5)], [(1000, 9, 4)], [(b"\0" * 16, 1, 9, 4)])
    save_checkpoint(disk, directory, checkpoint)
    assert load_checkpoint(disk, directory) == checkpoint
    save_checkpoint(disk, directory, Checkpoint(2, 7, 3, [], [], []))
    with pytest.raises(Damaged):
        load_checkpoint(disk, directory)
    (tmp_path / CHECKPOINT).write_bytes(b"???")
    with pytest.raises(Damaged):
        load_checkpoint(disk, directory)
