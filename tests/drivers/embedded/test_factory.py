"""One open store per directory and process."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from openmessaging.drivers.embedded import EmbeddedFactory
from openmessaging.model.access_point import parse
from tests.broker.stores import code_of, eventually, failure_of
from tests.drivers.embedded.test_threads import QUEUE, bodies, outgoing


@pytest.fixture
def factory():
    return EmbeddedFactory()


def at(path):
    return parse(f"oms:embedded://{path}")


def test_both_faces_share_one_store_and_the_last_one_closes_it(factory, tmp_path):
    one = factory.open_blocking(at(tmp_path), {})

    async def other():
        driver = await factory.open(at(tmp_path / ".." / tmp_path.name), {})
        assert driver.runner is one.runner
        await driver.close()
        await driver.close()

    asyncio.run(other())
    one.send([outgoing(one, "a")])
    two = factory.open_blocking(at(tmp_path), {})
    one.close()
    one.close()
    assert bodies(two.read(QUEUE, 0, 0, 10)) == ["a"]
    two.close()
    assert two.runner.closed
    again = factory.open_blocking(at(tmp_path), {})
    assert bodies(again.read(QUEUE, 0, 0, 10)) == ["a"]
    again.close()


def test_options(factory, tmp_path):
    one = factory.open_blocking(at(tmp_path), {"flush": "never", "partitions": 3, "somebody else's": 1})
    assert one.partition_count(QUEUE) == 3
    assert code_of(factory.open_blocking, at(tmp_path), {"flush": "always"}) == 1418
    factory.open_blocking(at(tmp_path), {}).close()
    factory.open_blocking(at(tmp_path), {"flush": "never", "partitions": 3}).close()
    one.close()
    for wrong in ({"flush": "sometimes"}, {"partitions": "many"}, {"flush_interval": []}):
        assert code_of(factory.open_blocking, at(tmp_path), wrong) == 1418


def test_stores_in_memory_go_by_name(factory):
    one, same = (factory.open_blocking(parse("oms:memory:one"), {}) for _ in range(2))
    other = factory.open_blocking(parse("oms:memory:other"), {})
    one.send([outgoing(one, "a")])
    assert bodies(same.read(QUEUE, 0, 0, 10)) == ["a"]
    assert code_of(other.read, QUEUE, 0, 0, 10) == 1404
    for driver in (one, same, other):
        driver.close()
    again = factory.open_blocking(parse("oms:memory:one"), {})
    assert code_of(again.read, QUEUE, 0, 0, 10) == 1404
    again.close()


def test_a_directory_that_cannot_be_used(factory, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    failure = failure_of(factory.open_blocking, at(file), {})
    assert failure.code == 1501
    assert str(file) in failure.reason
    assert failure.next_step
    if os.geteuid() == 0:
        return  # root may write everywhere
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert code_of(factory.open_blocking, at(closed), {}) == 1501


def test_an_opening_that_was_cancelled_is_closed(factory, tmp_path):
    started, go_on = threading.Event(), threading.Event()
    enter = factory._enter

    def slow(*arguments):
        started.set()
        assert go_on.wait(10)
        return enter(*arguments)

    factory._enter = slow

    async def main():
        opening = asyncio.ensure_future(factory.open(at(tmp_path), {}))
        await asyncio.to_thread(started.wait, 10)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(main())
    go_on.set()
    del factory._enter
    eventually(lambda: os.path.exists(tmp_path / "LOCK") or any(tmp_path.iterdir()))
    eventually(lambda: not factory._places)
    factory.open_blocking(at(tmp_path), {}).close()


def test_a_failed_opening_is_told(factory, tmp_path):
    (tmp_path / "file").write_text("")

    async def main():
        await factory.open(at(tmp_path / "file"), {})

    assert code_of(asyncio.run, main()) == 1501
