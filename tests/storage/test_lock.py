import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.lock import StoreLock, holder

HOLD = """
import sys
from openmessaging.storage.lock import StoreLock
lock = StoreLock.acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


class FixedClock:
    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic(self) -> float:
        return 0.0


def test_the_file_names_its_holder(tmp_path: Path) -> None:
    directory = str(tmp_path / "deep" / "store")
    assert holder(directory) is None
    lock = StoreLock.acquire(directory, FixedClock())
    said = holder(directory)
    assert said is not None
    assert said["pid"] == os.getpid()
    assert said["started_ms"] == 1_700_000_000_000
    assert isinstance(said["host"], str)
    lock.release()
    lock.release()


def test_a_second_opening_in_this_process_is_refused(tmp_path: Path) -> None:
    lock = StoreLock.acquire(str(tmp_path))
    with pytest.raises(OMSRuntimeException, match=rf"1503 .*process {os.getpid()} on host .* \(this process\)"):
        StoreLock.acquire(str(tmp_path))
    lock.release()
    StoreLock.acquire(str(tmp_path)).release()


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(OMSRuntimeException, match=rf"1503 .*in use by process {child.pid} on host [^(]+\. Stop"):
        StoreLock.acquire(str(tmp_path))
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    StoreLock.acquire(str(tmp_path)).release()


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[1]", json.dumps({"pid": 1, "host": "gone"}).encode()])
def test_a_stale_file_does_not_matter(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "LOCK").write_bytes(text)
    lock = StoreLock.acquire(str(tmp_path))
    said = holder(str(tmp_path))
    assert said is not None
    assert said["pid"] == os.getpid()
    (tmp_path / "LOCK").write_bytes(text)
    with pytest.raises(OMSRuntimeException, match=r"1503 .*in use by"):
        StoreLock.acquire(str(tmp_path))
    lock.release()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot open a store .*permissions"):
        StoreLock.acquire(str(tmp_path / "file" / "store"))


def test_a_lock_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot write .*LOCK: No space left"):
        StoreLock.acquire(str(tmp_path))
    monkeypatch.undo()
    StoreLock.acquire(str(tmp_path)).release()
