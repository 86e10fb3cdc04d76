"""Compacted queues: what stays, what goes, and that nothing but the newest of a key is ever missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker import compaction
from openmessaging.broker.admin import Admin
from openmessaging.model.batch import HOLE, decode
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import Client, bodies, code_of, config, open_client, simulated

TABLE = "default://prices"


@pytest.fixture(autouse=True, scope="module")
def _small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "MIN_DIRTY", 4)
        yield


def table(client: Client, **settings: Any) -> None:
    client.admin.create_queue(TABLE, 1, {"compact": True, **settings})


def put(client: Client, *messages: tuple[str, str]) -> None:
    """One batch of (key, body)."""
    client.send(*[Record(body.encode(), key) for key, body in messages], queue=TABLE)


def compact(client: Client) -> None:
    """One pass, if one is worth it."""
    work = client.store.maintenance
    work.compactor.begin()
    while work.compactor.active:
        work.compactor.step()


def stored(client: Client) -> list[tuple[int, str | None, str]]:
    """(offset, key, body) of all that can be read."""
    found = []
    offset = 0
    while deliveries := client.admin.browse(TABLE, 0, offset, 3, None):
        for delivery in deliveries:
            records = decode(delivery.data)[2]
            for place in range(delivery.first, delivery.last):
                assert records[place] is not HOLE
                found.append((delivery.base_offset + place, records[place].message_key, records[place].data.decode()))
        assert found[-1][0] >= offset
        offset = found[-1][0] + 1
    return found


def test_the_newest_of_each_key_stays_where_it_was(client):
    table(client)
    put(client, ("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"))
    put(client, ("b", "2"))
    put(client, ("a", "3"), ("a", "4"))
    put(client, ("d", "1"))
    before = client.admin.browse(TABLE, 0, 3, 1, None)[0]
    compact(client)
    assert stored(client) == [(3, "c", "1"), (4, "b", "2"), (6, "a", "4"), (7, "d", "1")]
    after = client.admin.browse(TABLE, 0, 3, 1, None)[0]
    assert decode(after.data)[0].message_id(3 - after.base_offset) == decode(before.data)[0].message_id(3)
    assert (after.store_ms, decode(after.data)[1]) == (before.store_ms, decode(before.data)[1])
    info = client.admin.describe_queue(TABLE)
    assert (info.messages, info.offsets) == (4, [(3, 8)])


def test_reading_backwards_steps_over_what_is_gone(client):
    table(client)
    put(client, *[("a", str(number)) for number in range(5)], ("b", "x"), *[("c", str(number)) for number in range(5)])
    put(client, ("d", "end"))
    compact(client)
    found, offset = [], 12
    while (delivery := client.admin.read_before(TABLE, 0, offset)) is not None:
        found += reversed(bodies([delivery]))
        offset = delivery.base_offset + delivery.first
    assert found == ["end", "4", "x", "4"]


def test_a_message_needs_a_key(client):
    table(client)
    assert code_of(client.send, Record(b"x"), queue=TABLE) == 1418
    assert code_of(client.send, Record(b"x", "a"), Record(b"y"), queue=TABLE) == 1418
    assert client.browse(TABLE) == []
    client.send(Record(b"x", "a"), Record(b"y", "b"), queue=TABLE)
    batch = client.batch(Record(b"z", "c"))
    client.runner.send([OutgoingBatch(TABLE, None, batch, 9), OutgoingBatch("default://other", None, batch)])
    assert client.browse(TABLE) == ["x", "y", "z"]
    assert client.admin.describe_queue(TABLE).partitions == 1


def test_settings(client):
    admin = client.admin
    assert code_of(admin.create_queue, TABLE, 1, {"compact": True, "retention_age": 5}) == 1418
    table(client)
    assert code_of(admin.update_queue, TABLE, {"compact": False}) == 1418
    assert code_of(admin.update_queue, TABLE, {"retention_bytes": 5}) == 1418
    admin.update_queue(TABLE, {"tombstone_age": 5})
    client.runner.send([OutgoingBatch("default://lanes", None, client.batch(Record(b"z", "c")), 9)])
    assert code_of(admin.update_queue, "default://lanes", {"compact": True}) == 1418


def test_tombstones_go_when_they_are_old_and_settled(client, clock):
    table(client, tombstone_age=10)
    group = client.join("g", TABLE)
    put(client, ("a", "1"), ("b", "1"), ("a", ""))
    put(client, ("c", "1"))
    compact(client)
    assert stored(client) == [(1, "b", "1"), (2, "a", ""), (3, "c", "1")]
    clock.advance(11)
    for number in range(3):
        put(client, ("c", str(number)))
    compact(client)
    assert (2, "a", "") in stored(client)  # a group has not seen it
    assert client.receive(group) == ["1", "", "1", "2"]
    for number in range(5):
        put(client, ("c", str(number)))
    compact(client)
    assert [key for _, key, _ in stored(client)] == ["b", "c", "c"]


def test_a_group_skips_what_is_gone_and_its_lag_is_right(client):
    table(client)
    for number in range(8):
        put(client, ("a", str(number)), ("b", str(number)))
    put(client, ("c", "0"))
    slow = client.join("slow", TABLE)
    early = client.fetch(slow, 3)
    client.ack(slow, early[0], [0])
    compact(client)
    assert len(stored(client)) == 3
    client.join("new", TABLE)
    for name, lag in (("slow", 3), ("new", 3)):
        assert client.admin.describe_group(TABLE, name).lag == lag, name
    for delivery in early:  # what was handed out before may be acknowledged
        client.ack(slow, delivery, [x for x in range(delivery.base_offset, delivery.base_offset + 2) if 0 < x < 3])
    for name in ("slow", "new"):
        group = client.runner.engine.queue(TABLE).groups[name]
        assert [client.receive(group, 1) for _ in range(4)] == [["7"], ["7"], ["0"], []]
        info = client.admin.describe_group(TABLE, name)
        assert (info.lag, info.in_flight, info.retrying) == (0, 0, 0)


def test_what_waits_for_a_retry_may_go(client, clock):
    table(client)
    group = client.join("g", TABLE, max_delivery=2)
    keyed = client.join("k", TABLE, order="key")
    put(client, ("a", "0"), ("b", "0"))
    put(client, ("a", "1"), ("a", "2"))
    put(client, ("z", "0"))
    first = client.fetch(group, 3)[0]
    client.nack(group, first, delay=5)
    assert bodies(client.fetch(keyed, 1)) == ["0"]
    compact(client)
    clock.advance(60)
    assert sorted(client.receive(group)) == ["0", "0", "2"]
    assert client.receive(keyed) == ["0", "0"]
    clock.advance(5)
    assert client.receive(keyed) == ["2"]
    assert client.admin.describe_group(TABLE, "g").lag == 0


def test_dead_letters_of_what_is_gone_are_left_out(client):
    table(client)
    group = client.join("g", TABLE, max_delivery=1)
    put(client, ("a", "0"), ("b", "0"), ("a", "1"))
    put(client, ("z", "0"))
    deliveries = client.fetch(group, 3)
    compact(client)
    for delivery in deliveries:
        client.nack(group, delivery)
    client.runner.flush()
    assert sorted(client.browse(f"{TABLE}.g.dead-letter")) == ["0", "1"]


def test_a_view_holds_compaction_back(client, clock):
    table(client)
    views, runner = client.runner.views, client.runner
    put(client, ("a", "0"), ("b", "0"), ("b", "1"))
    put(client, ("z", "0"))
    number = runner.engine.queue(TABLE).partitions[0].id
    view = views.open({number: 4}, clock.monotonic())
    for body in "123456":
        put(client, ("a", body))
    compact(client)
    assert stored(client)[0] == (0, "a", "0")
    views.close(view)
    put(client, ("a", "7"), ("a", "8"))
    put(client, *[("a", str(body)) for body in range(9, 20)])
    put(client, ("end", ""))
    client.store.maintenance.compactor.begin()
    late = views.open({number: 5}, clock.monotonic())
    for _ in range(5):
        client.store.maintenance.compactor.step()
    assert client.store.maintenance.compactor.active
    clock.advance(61)
    assert code_of(views.renew, late, clock.monotonic()) == 1418
    compact(client)
    assert stored(client)[-2:] == [(22, "a", "19"), (23, "end", "")]


def test_the_log_shrinks_and_other_queues_stay(tmp_path, clock):
    client = open_client(tmp_path, clock=clock)
    table(client)
    client.admin.create_queue("default://kept", 1, {"retention": "keep"})
    for number in range(400):
        put(client, *[(f"k{key}", f"{number} " + "x" * 50) for key in range(10)])
        if number % 100 == 0:
            client.send("y" * 50, queue="default://kept")
    assert len(client.runner.storage.segments()) > 4
    for _ in range(40):
        client.store.maintenance.work(full_round=True)
    assert len(client.runner.storage.segments()) <= 2
    expected = [f"399 {'x' * 50}"] * 10
    assert [body for _, _, body in stored(client)][-10:] == expected
    client.close()
    client = open_client(tmp_path, clock=clock)
    assert len(stored(client)) < 30
    assert client.browse("default://kept") == ["y" * 50] * 4
    client.close()


def test_more_keys_than_one_pass_takes(client):
    client.store.maintenance.compactor.max_keys = 20
    table(client)
    for round_ in range(6):
        for key in range(0, 100, 5):
            put(client, *[(f"k{each}", str(round_)) for each in range(key, key + 5)])
        for _ in range(20):
            compact(client)
    left = stored(client)
    assert {key for _, key, body in left if body == "5"} == {f"k{key}" for key in range(100)}
    assert len(left) < 300


def test_a_purge_during_a_pass_wins(client):
    table(client)
    put(client, *[("a", str(number)) for number in range(10)])
    put(client, ("b", "0"))
    compactor = client.store.maintenance.compactor
    compactor.begin()
    assert client.admin.purge_queue(TABLE) == 11
    compact(client)
    assert stored(client) == []
    put(client, ("a", "1"))
    assert stored(client) == [(11, "a", "1")]
    compactor.begin()
    client.admin.delete_queue(TABLE)
    compact(client)


messages = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x", "y" * 40])), min_size=1, max_size=6)
steps = st.lists(
    st.one_of(
        messages,
        st.sampled_from(
            ["compact", "compact", "begin", "step", "upkeep", "reopen", "wait", "receive", "crash", "seek"]
        ),
    ),
    max_size=40,
)


@settings(max_examples=120)
@given(steps)
def test_against_a_naive_table(script):
    """Whatever happens: the newest of each key is there at its offset, nothing comes that was not sent, and a group
    gets the newest of each key."""
    clock = SimulatedClock()
    disk = simulated()
    client = open_client("/store", clock=clock, disk=disk, segment_bytes=8192)
    table(client, tombstone_age=5)
    sent: list[tuple[str, str]] = []
    got: dict[str, int] = {}
    group = client.join("g", TABLE)
    compactor = client.store.maintenance.compactor
    for step in script:
        if isinstance(step, list):
            put(client, *step)
            sent += step
        elif step == "compact":
            compact(client)
        elif step == "begin":
            compactor.begin()
        elif step == "step":
            compactor.step()
        elif step == "upkeep":
            client.upkeep()
        elif step == "wait":
            clock.advance(6)
        elif step == "seek":
            client.admin.seek_group(TABLE, "g", "earliest")
        elif step == "receive":
            for delivery in client.fetch(group, 3):
                for offset in range(delivery.base_offset + delivery.first, delivery.base_offset + delivery.last):
                    got[sent[offset][0]] = offset
                client.ack(group, delivery)
        else:
            if step == "reopen":
                client.close()
            else:
                client.runner.flush()
            disk.crash()
            client = open_client("/store", clock=clock, disk=disk, segment_bytes=8192)
            group = Admin(client.runner).join(SubscriptionSpec(TABLE, "g", config()))
            compactor = client.store.maintenance.compactor
        check(client, sent)
    compact(client)
    check(client, sent)
    while deliveries := client.fetch(group, 2):
        for delivery in deliveries:
            for offset in range(delivery.base_offset + delivery.first, delivery.base_offset + delivery.last):
                got[sent[offset][0]] = max(offset, got.get(sent[offset][0], -1))
            client.ack(group, delivery)
    for key, offset in newest(sent).items():
        assert got.get(key) == offset or not sent[offset][1]
    assert client.admin.describe_group(TABLE, "g").lag == 0


def newest(sent: list[tuple[str, str]]) -> dict[str, int]:
    return {key: offset for offset, (key, _) in enumerate(sent)}


def check(client: Client, sent: list[tuple[str, str]]) -> None:
    found = stored(client)
    for offset, key, body in found:
        assert sent[offset] == (key, body)
    offsets = {offset for offset, _, _ in found}
    last = newest(sent)
    for key, offset in last.items():
        if sent[offset][1]:
            assert offset in offsets, f"the newest of {key} is missing"
        elif offset not in offsets:  # its tombstone has gone: nothing older may be left
            assert not [each for each in found if each[1] == key]
    info = client.admin.describe_queue(TABLE)
    assert info.messages == len(found)
    group = client.admin.describe_group(TABLE, "g")
    assert group.lag >= len([offset for offset in offsets if offset >= max(group.floors)]) - group.in_flight
