"""Queues, groups, namespaces and reading by position."""

from __future__ import annotations

import pytest

from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from tests.broker.stores import QUEUE, bodies, code_of, config, finish, in_thread, open_client, timed


def test_namespaces(client):
    admin = client.admin
    assert admin.list_namespaces() == ["default"]
    admin.create_namespace("shop")
    assert code_of(admin.create_namespace, "shop") == 1407
    admin.create_queue("shop://orders", 2, {})
    assert code_of(admin.delete_namespace, "shop") == 1400
    client.send("a", queue="shop://orders", partition=1)
    client.send("b")
    assert admin.list_queues("shop") == ["shop://orders"]
    assert admin.list_queues("default") == [QUEUE]
    assert code_of(admin.list_queues, "none") == 1405
    assert code_of(admin.create_queue, "none://q", 1, {}) == 1405
    assert code_of(client.send, "x", queue="none://q") == 1405
    admin.delete_queue("shop://orders")
    admin.delete_namespace("shop")
    assert code_of(admin.delete_namespace, "shop") == 1405


def test_queues(client):
    admin = client.admin
    admin.create_queue(QUEUE, 3, {"retention_age": 5})
    assert code_of(admin.create_queue, QUEUE, 3, {}) == 1406
    admin.update_queue(QUEUE, {"retention_bytes": 7})
    info = admin.describe_queue(QUEUE)
    assert (info.partitions, info.messages, info.config) == (3, 0, {"retention_age": 5, "retention_bytes": 7})
    assert admin.ensure_queue(QUEUE) == 3
    assert admin.ensure_queue("default://new") == 1
    for call in (admin.describe_queue, admin.delete_queue, admin.purge_queue, admin.list_groups):
        assert code_of(call, "default://none") == 1404
    assert code_of(admin.update_queue, "default://none", {}) == 1404


def test_without_auto_create_an_unknown_queue_is_an_error(tmp_path):
    client = open_client(tmp_path, auto_create=False)
    assert code_of(client.send, "a") == 1404
    assert code_of(client.join) == 1404
    assert code_of(client.browse) == 1404
    assert client.admin.list_queues("default") == []
    client.admin.create_queue(QUEUE, 1, {})
    client.send("a")
    assert client.receive(client.join()) == ["a"]
    client.close()


def test_purge_drops_what_is_there_and_tells_how_many(client):
    client.send("a", "b")
    client.send("c")
    group = client.join()
    held = client.fetch(group, 1)[0]
    assert client.admin.purge_queue(QUEUE) == 3
    assert client.admin.purge_queue(QUEUE) == 0
    assert code_of(client.ack, group, held) == 1418
    assert client.admin.describe_group(QUEUE, "g").lag == 0
    client.send("d")
    assert client.receive(group) == ["d"]


def test_groups(client, clock):
    client.send("a", "b", "c")
    group = client.join(invisible_time=10)
    client.join("other")
    client.ack(group, client.fetch(group, 1)[0])
    held = client.fetch(group, 1)[0]
    client.nack(group, held, delay=5)
    client.fetch(group, 1)
    info = client.admin.describe_group(QUEUE, "g")
    assert (info.lag, info.in_flight, info.retrying, info.floors) == (2, 1, 1, [1])
    assert info.oldest_ms == held.store_ms
    assert [found.name for found in client.admin.list_groups(QUEUE)] == ["g", "other"]
    assert len(client.admin.list_groups()) == 2
    client.admin.delete_group(QUEUE, "other")
    assert [found.name for found in client.admin.list_groups()] == ["g"]
    assert code_of(client.admin.delete_group, QUEUE, "other") == 1404
    assert code_of(client.admin.describe_group, QUEUE, "other") == 1404


def test_joining_again_keeps_the_settings_unless_asked_to_replace_them(client):
    client.join(invisible_time=10)
    client.join(invisible_time=20)
    assert client.admin.describe_group(QUEUE, "g").config.invisible_time == 10
    client.admin.join(SubscriptionSpec(QUEUE, "g", config(invisible_time=20), update=True))
    assert client.admin.describe_group(QUEUE, "g").config.invisible_time == 20
    before = client.runner.storage.max_index()
    client.admin.join(SubscriptionSpec(QUEUE, "g", config(invisible_time=20), update=True))
    assert client.runner.storage.max_index() == before
    assert code_of(client.admin.join, SubscriptionSpec(QUEUE, "g", config(order="key"), update=True)) == 1418
    assert code_of(client.admin.join, SubscriptionSpec(QUEUE, "h", GroupConfig(start="soon"))) == 1418


def test_many_may_join_at_once(client):
    joins = [in_thread(lambda: client.join()) for _ in range(8)]
    finish(*(thread for thread, _ in joins))
    assert [failures for _, failures in joins] == [[]] * 8
    assert len(client.admin.list_groups()) == 1


@pytest.mark.parametrize(
    ("start", "first"),
    [("earliest", "0"), ("latest", None), ("offset:3", "3"), ("offset:99", None), ("ts+19000", "2"), ("ts+0", "0")],
)
def test_where_a_group_starts_and_seeks_to(client, clock, start, first):
    at = timed(client, clock)
    if start.startswith("ts+"):
        start = f"ts:{at + int(start[3:])}"
    expected = [first] if first else []
    new = client.join("new", start=start)
    assert bodies(client.fetch(new, 1)) == expected
    old = client.join("old")
    client.receive(old)
    held = client.fetch(new, 1)
    client.admin.seek_group(QUEUE, "old", start)
    assert bodies(client.fetch(old, 1)) == expected
    client.admin.seek_group(QUEUE, "new", "earliest")
    for delivery in held:
        assert code_of(client.ack, new, delivery) == 1418  # its leases ended
    assert len(client.receive(new)) == 5


@pytest.mark.parametrize("position", ["", "offset:", "offset:-1", "ts:x", "ts:²", "first"])
def test_what_is_no_position(client, position):
    client.join()
    assert code_of(client.admin.seek_group, QUEUE, "g", position) == 1418


def test_a_seek_survives_reopening(tmp_path):
    client = open_client(tmp_path)
    client.send("a")
    client.send("b")
    client.receive(client.join())
    client.admin.seek_group(QUEUE, "g", "offset:1")
    client.close()
    client = open_client(tmp_path)
    assert client.receive(client.join()) == ["b"]
    client.close()
