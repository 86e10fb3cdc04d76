import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.memory import MemoryLog
from openmessaging.storage.segment.format import MAX_ENTRY_BYTES


def test_it_starts_empty_as_a_file_log_does() -> None:
    log = MemoryLog()
    assert (log.min_index(), log.max_index(), log.min_position(), log.max_position()) == (0, -1, 0, 0)
    assert log.durable_index() == log.flush() == -1
    assert log.prepare()
    for read in (lambda: log.get(0), lambda: log.read(0, 0)):
        with pytest.raises(OMSRuntimeException, match="1418"):
            read()


def test_only_a_flush_with_sync_makes_durable() -> None:
    log = MemoryLog()
    log.append([b"a"])
    assert log.flush(sync=False) == 0
    assert log.durable_index() == -1
    assert log.flush() == log.durable_index() == 0
    log.close()


@given(st.lists(st.lists(st.binary(max_size=20), max_size=3), max_size=30))
def test_what_is_appended_is_read(entries: list[list[bytes]]) -> None:
    log = MemoryLog()
    log.term = 4
    for index, parts in enumerate(entries):
        result = log.append(parts, reserved=True)
        body = b"".join(parts)
        assert (result.index, result.term) == (index, 4)
        stored = log.get(index)
        assert (stored.body, stored.position, stored.size, stored.term) == (body, result.position, result.size, 4)
        assert stored.body_position == result.body_position
        assert log.read(result.body_position, len(body)) == body
        if body:
            assert log.read(result.body_position + 1, len(body) - 1) == body[1:]
        with pytest.raises(OMSRuntimeException, match="1418"):
            log.read(result.body_position, len(body) + 1)
        assert log.max_position() == result.position + result.size
    assert [entry.body for entry in log.entries(0)] == [b"".join(parts) for parts in entries]


def test_dropping_goes_by_segments() -> None:
    log = MemoryLog()
    for number in range(10_000):
        log.append([b"%d" % number])
    segments = log.segments()
    assert [segment.base_index for segment in segments] == [0, 4096, 8192]
    assert sum(segment.size_bytes for segment in segments) == log.max_position()
    assert log.drop_before(4095) == 0
    assert log.drop_before(9_999) == 2
    assert log.min_index() == 8192
    assert log.min_position() == log.get(8192).position
    assert log.get(9_000).body == b"9000"
    with pytest.raises(OMSRuntimeException, match="1418"):
        log.get(8191)
    with pytest.raises(OMSRuntimeException, match="1418"):
        next(log.entries(0))


def test_too_large_an_entry_is_refused() -> None:
    with pytest.raises(OMSRuntimeException, match="1413"):
        MemoryLog().append([bytes(MAX_ENTRY_BYTES), b"x"])
