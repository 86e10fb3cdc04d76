import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmessaging.system import disk as disks
from openmessaging.system.disk import SystemDisk, SystemFile


@pytest.fixture(params=["system", "without positioned calls"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemFile:
    if request.param != "system":
        monkeypatch.setattr(disks, "_pread", disks._seek_read)
        monkeypatch.setattr(disks, "_pwrite", disks._seek_write)
        monkeypatch.setattr(disks, "_DSYNC", None)
        monkeypatch.delattr(os, "pwritev", raising=False)
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        monkeypatch.delattr(os, "fdatasync", raising=False)
    return SystemDisk().open(str(tmp_path / "file"), create=True)


def test_what_is_written_is_read(file: SystemFile) -> None:
    file.write_at(3, [b"abc", b"", b"def"])
    file.sync()
    assert file.read_at(0, 100) == b"\0\0\0abcdef"
    assert file.read_at(5, 2) == b"cd"
    assert file.read_at(9, 5) == b""
    assert file.size() == 9
    file.close()
    file.close()


@pytest.mark.parametrize("count", [1, 5, 3_000])
@pytest.mark.parametrize("size", [10, 5_000])
def test_many_parts(file: SystemFile, count: int, size: int) -> None:
    parts = [bytes([number % 251]) * size for number in range(count)]
    file.write_at(7, parts)
    assert file.read_at(7, count * size + 1) == b"".join(parts)
    file.write_durable(count * size, parts)
    assert file.read_at(count * size, count * size + 1) == b"".join(parts)


def test_a_write_cut_short_goes_on(file: SystemFile, monkeypatch: pytest.MonkeyPatch) -> None:
    real, vector = disks._pwrite, getattr(os, "pwritev", None)
    monkeypatch.setattr(disks, "_pwrite", lambda file, position, data: real(file, position, data[:1_000]))
    if vector is not None:
        monkeypatch.setattr(os, "pwritev", lambda fd, parts, position, *_: vector(fd, [parts[0][:100]], position))
    parts = [os.urandom(70_000), os.urandom(70_000)]
    file.write_at(0, parts)
    assert file.read_at(0, 140_000) == b"".join(parts)
    file.write_durable(5, parts)
    assert file.read_at(5, 140_000) == b"".join(parts)


def test_a_read_cut_short_goes_on(file: SystemFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_at(0, [b"0123456789"])
    real = disks._pread
    monkeypatch.setattr(disks, "_pread", lambda file, position, size: real(file, position, min(size, 3)))
    assert file.read_at(0, 10) == b"0123456789"
    assert file.read_at(5, 10) == b"56789"


def test_space_is_reserved_as_zeros(file: SystemFile) -> None:
    file.write_at(0, [b"abc"])
    file.allocate(3_000_000)
    assert file.size() == 3_000_000
    assert file.read_at(0, 6) == b"abc\0\0\0"
    assert not file.read_at(1_000_000, 2_000_000).strip(b"\0")
    file.allocate(100)
    assert file.size() == 3_000_000
    file.truncate(2)
    assert file.read_at(0, 10) == b"ab"


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs posix_fallocate")
def test_a_file_system_that_cannot_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = errno.EOPNOTSUPP

    def refuse(*_: int) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    file = SystemDisk().open(str(tmp_path / "file"), create=True)
    file.allocate(2_000_000)
    assert file.read_at(0, 3_000_000) == bytes(2_000_000)
    code = errno.ENOSPC
    with pytest.raises(OSError, match="refused"):
        file.allocate(3_000_000)


@pytest.mark.skipif(not hasattr(os, "RWF_DSYNC"), reason="needs RWF_DSYNC")
def test_a_system_without_durable_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = errno.EOPNOTSUPP
    real = os.pwritev

    def refuse(descriptor: int, parts: list[bytes], position: int, flags: int = 0) -> int:
        if flags:
            raise OSError(code, "refused")
        return real(descriptor, parts, position)

    monkeypatch.setattr(os, "pwritev", refuse)
    file = SystemDisk().open(str(tmp_path / "file"), create=True)
    file.write_durable(0, [b"abc", b"def"])
    assert file.read_at(0, 10) == b"abcdef"
    code = errno.EIO
    with pytest.raises(OSError, match="refused"):
        file.write_durable(0, [b"abc"])


def test_names(tmp_path: Path) -> None:
    disk = SystemDisk()
    directory = str(tmp_path / "a" / "b")
    assert disk.list(directory) == []
    disk.make_directory(directory)
    disk.make_directory(directory)
    for name in ("two", "one"):
        disk.open(os.path.join(directory, name), create=True).write_at(0, [name.encode()])
    assert disk.list(directory) == ["one", "two"]
    disk.rename(os.path.join(directory, "one"), os.path.join(directory, "two"))
    disk.sync_directory(directory)
    assert not disk.exists(os.path.join(directory, "one"))
    reader = disk.open(os.path.join(directory, "two"), read_only=True)
    assert reader.read_at(0, 9) == b"one"
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.write_at(0, [b"x"])
    disk.remove(os.path.join(directory, "two"))
    assert disk.list(directory) == []
    assert disk.free_bytes(directory) > 0
    with pytest.raises(FileNotFoundError):
        disk.open(os.path.join(directory, "two"))


def test_a_dropped_file_closes(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom openmessaging.system.disk import SystemDisk\n"
        "for _ in range(5000): SystemDisk().open(sys.argv[1], create=True)\nprint('done')"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], capture_output=True, text=True, check=True)
    assert run.stdout == "done\n"
