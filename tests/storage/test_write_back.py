from collections.abc import Callable

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.log import Log

OpenLog = Callable[..., Log]


def failing(code: int, match: str = ""):
    return pytest.raises(OMSRuntimeException, match=rf"^{code} .*{match}")


def test_writing_back_leaves_nothing_for_the_sync_to_lose(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.append([b"good"])
    log.flush(sync=False)
    log.write_back()
    assert log.durable_index() == -1, "it promises nothing"
    disk.crash()
    assert open_log().get(0).body == b"good"


def test_a_failed_write_back_poisons(open_log: OpenLog, disk: SimulatedDisk) -> None:
    log = open_log()
    log.append([b"unsure"])
    log.flush(sync=False)
    disk.fail_sync_in = 1
    log.write_back()
    with failing(1501, "read-only since a write failed: Input/output error"):
        log.append([b"x"])
    with failing(1501, "read-only"):
        log.flush()
    log.write_back()
    log.close()


def test_a_write_back_that_fails_while_a_flush_waits_for_it_is_told_to_the_flush(
    open_log: OpenLog, disk: SimulatedDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells of a lost write once: whoever heard it, nobody may call the bytes durable."""
    log = open_log()
    log.append([b"unsure"])
    log.flush(sync=False)
    write = log._file.write_at

    def write_and_fail(position: int, parts: list[bytes]) -> None:
        write(position, parts)
        disk.fail_sync_in = 1
        log.write_back()

    monkeypatch.setattr(log._file, "write_at", write_and_fail)
    log.append([b"lost"])
    with failing(1501, "read-only"):
        log.flush()
    assert log.durable_index() == -1


def test_it_is_said_when_much_was_written_without_a_sync(open_log: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmessaging.storage.log.WRITE_BACK_BYTES", 1000)
    log = open_log()
    said: list[int] = []
    log.on_backlog = lambda: said.append(log.max_index())
    for sync in (False, False, True, False, False):
        log.append([bytes(400)])
        log.flush(sync=sync)
    assert said == [2], "the third write crosses the limit, the sync begins anew"
