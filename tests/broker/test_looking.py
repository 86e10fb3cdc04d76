"""Reading by position, and looking at what a group would get next."""

from __future__ import annotations

import threading

from tests.broker.stores import QUEUE, bodies, code_of, timed


def test_reading_by_position(client, clock):
    start = timed(client, clock)
    assert client.browse(offset=3) == ["3", "4"]
    assert client.browse(count=2) == ["0", "1"]
    assert client.browse(offset=99) == []
    assert code_of(client.browse, partition=1) == 1418
    assert code_of(client.browse, partition=-1) == 1418
    assert code_of(client.browse, "default://none") == 1404
    find = client.admin.find_time
    assert [find(QUEUE, 0, start + ms) for ms in (-5, 0, 1, 40_000, 99_000)] == [0, 0, 1, 4, 5]
    client.send("5", "6", "7")
    before = client.admin.read_before
    assert bodies([before(QUEUE, 0, 7)]) == ["5", "6"]
    assert bodies([before(QUEUE, 0, 99)]) == ["5", "6", "7"]
    assert before(QUEUE, 0, 0) is None
    client.admin.purge_queue(QUEUE)
    assert before(QUEUE, 0, 8) is None
    assert client.browse() == []
    client.send("8")
    assert client.browse() == ["8"]


def test_a_reader_at_the_end_is_woken(client):
    client.send("a")
    woken = threading.Event()
    assert client.admin.browse(QUEUE, 0, 1, 10, woken.set) == []
    client.send("b")
    assert woken.is_set()
    other = threading.Event()
    assert client.admin.browse(QUEUE, 0, 2, 10, other.set) == []
    client.admin.forget_browser(QUEUE, 0, other.set)
    client.send("c")
    assert not other.is_set()


def test_a_reader_learns_that_the_queue_is_gone(client):
    client.admin.create_queue(QUEUE, 3, {})
    woken = threading.Event()
    assert client.admin.browse(QUEUE, 2, 0, 10, woken.set) == []
    client.admin.delete_queue(QUEUE)
    assert woken.is_set()
    client.admin.forget_browser(QUEUE, 2, woken.set)
    client.admin.create_queue(QUEUE, 1, {})
    client.admin.forget_browser(QUEUE, 2, woken.set)


def test_peek_decides_and_changes_nothing(client, clock):
    group = client.join()
    client.send("a", "b", "c", partition=0)
    before = client.runner.engine.snapshot()
    peek = client.admin.peek
    assert bodies(peek(QUEUE, "g", 2, 1 << 20)) == ["a", "b"]
    assert [delivery.lease_id for delivery in peek(QUEUE, "g", 5, 1 << 20)] == [0]
    assert client.runner.engine.snapshot() == before
    (delivery,) = client.fetch(group, 1)
    client.nack(group, delivery, delay=5)
    assert bodies(peek(QUEUE, "g", 5, 1 << 20)) == ["b", "c"]
    clock.advance(6)
    assert bodies(peek(QUEUE, "g", 5, 1 << 20))[0] == "a"
    assert bodies(client.fetch(group, 5))[0] == "a"
    assert peek(QUEUE, "g", 5, 1 << 20) == []
    assert code_of(peek, QUEUE, "nobody", 5, 1 << 20) == 1404


def test_a_seek_of_some_partitions_leaves_the_others(client):
    client.admin.create_queue("default://two", 2, {})
    group = client.join(queue="default://two")
    for partition in (0, 1):
        client.send("a", "b", queue="default://two", partition=partition)
    assert sorted(client.receive(group)) == ["a", "a", "b", "b"]
    client.admin.seek_group("default://two", "g", [None, 1])
    assert client.receive(group) == ["b"]
    assert code_of(client.admin.seek_group, "default://two", "g", [0]) == 1418
