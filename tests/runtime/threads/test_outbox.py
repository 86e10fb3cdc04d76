"""The outbox of the blocking face: straight through, collected only for asynchronous sends, bounded bytes."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException, OMSTimeOutException, error
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Done, OutgoingBatch
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.threads.outbox import Outbox


class Distant:
    """The real driver, but submitted batches wait while `gate` is clear."""

    def __init__(self, near: Any) -> None:
        self.near = near
        self.gate = threading.Event()
        self.gate.set()
        self.fail: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.near, name)

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        if self.fail is not None:
            raise self.fail

        def answer() -> None:
            self.gate.wait()
            done(self.near.send([batch])[0], None)

        threading.Thread(target=answer).start()


class Case:
    def __init__(self, url: str, *, linger: float = 0.0, buffer_bytes: int = 1000, timeout: float = 5.0) -> None:
        self._access_point = connect(url)
        self.driver = Distant(self._access_point.get_driver())
        self.outbox = Outbox(self.driver, Packer("default", "none"), linger, 400, buffer_bytes, timeout)

    def __enter__(self) -> "Case":
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.gate.set()
        self.outbox.flush()
        self.outbox.close()
        self._access_point.close()


def message(size: int = 10, **fields: object) -> Message:
    made = Message(Record(b"x" * size), "q")
    for name, value in fields.items():
        made.set_header(name, value)
    return made


def test_one_goes_straight_through_after_what_was_submitted(memory: str) -> None:
    with Case(memory, linger=5.0) as case:
        case.driver.submit = case.driver.near.submit  # type: ignore[method-assign]
        first = case.outbox.submit(message())
        second = case.outbox.put(message())
        assert (first.get(5).offset, second.offset) == (0, 1)
        case.outbox.submit(message())
        assert case.outbox.put(message(messageKey="k")).offset == 3
        case.outbox.submit(message())
        assert case.outbox.put_many([message(), message()])[1].offset == 6


def test_a_linger_collects_until_the_batch_is_full(memory: str) -> None:
    with Case(memory, linger=5.0) as case:
        futures = [case.outbox.submit(message(100)) for _ in range(4)]
        assert len({id(future.get(5).origin) for future in futures}) == 1


def test_a_full_buffer_blocks_then_times_out(memory: str) -> None:
    with Case(memory, buffer_bytes=100, timeout=0.05) as case:
        case.driver.gate.clear()
        first = case.outbox.submit(message(80))
        with pytest.raises(OMSTimeOutException, match="no room"):
            case.outbox.submit(message(60))
        threading.Timer(0.02, case.driver.gate.set).start()
        assert case.outbox.submit(message(60)).get(5).offset == first.get(5).offset + 1


@pytest.mark.parametrize("size", [0, 10])
def test_a_flush_waits_for_the_answer_to_an_empty_message_too(memory: str, size: int) -> None:
    with Case(memory) as case:
        case.driver.gate.clear()
        future = case.outbox.submit(message(size))
        flushing = threading.Thread(target=case.outbox.flush)
        flushing.start()
        flushing.join(0.05)
        assert flushing.is_alive()
        case.driver.gate.set()
        flushing.join(20)
        assert future.is_done()


def test_failures_reach_the_futures(memory: str) -> None:
    with Case(memory) as case:
        case.driver.fail = error(1501, "the disk is full")
        for future in [case.outbox.submit(message()), case.outbox.submit(message(messageKey="k"))]:
            with pytest.raises(OMSRuntimeException, match="disk is full"):
                future.get(5)
        case.driver.fail = None
        case.driver.submit = lambda batch, done: done(None, error(1503, "closed"))  # type: ignore[method-assign]
        with pytest.raises(OMSRuntimeException, match="closed"):
            case.outbox.submit(message()).get(5)
        with pytest.raises(OMSRuntimeException, match="no valid name"):
            case.outbox.submit(Message(Record(b""), "a/b")).get(5)


def test_a_queue_that_is_gone_fails_its_keyed_messages(memory: str) -> None:
    with Case(memory) as case:
        with pytest.raises(OMSRuntimeException) as caught:
            case.outbox.submit(_to("none://q", messageKey="k")).get(5)
        assert caught.value.code == 1405
        assert case.outbox.submit(_to("q", messageKey="k")).get(5).offset == 0


def _to(queue: str, **fields: object) -> Message:
    made = message(**fields)
    made.destination = queue
    return made


def test_many_threads_share_one_outbox(memory: str) -> None:
    with Case(memory, buffer_bytes=500) as case:
        offsets: list[int] = []

        def work(kinds: Sequence[int]) -> None:
            for kind in kinds:
                if kind:
                    offsets.append(case.outbox.put(message()).offset)
                else:
                    offsets.append(case.outbox.submit(message()).get(10).offset)

        threads = [threading.Thread(target=work, args=([0, 1] * 10,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(offsets) == list(range(160))
