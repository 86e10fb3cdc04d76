"""Opening, closing, and what is the same afterwards."""

from __future__ import annotations

import gc
import os
import random
import shutil

import pytest

from openmessaging.broker.store import StoreOptions, open_memory, open_store
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.storage.snapshot import SnapshotStore
from tests.broker.stores import (
    QUEUE,
    SMALL,
    Client,
    bodies,
    code_of,
    content,
    failure_of,
    flip,
    killed,
    open_client,
    records,
    simulated,
)


def state(client: Client) -> bytes:
    client.runner.change(lambda engine, now_ms: engine.decide_release_all(now_ms))
    client.runner.flush()
    return client.runner.engine.snapshot()


def random_work(client: Client, clock: SimulatedClock, chance: random.Random, steps: int) -> None:
    admin = client.admin
    if QUEUE not in client.runner.engine.queues:
        admin.create_queue(QUEUE, 3, {})
    for name, order in (("plain", "none"), ("keyed", "key")):
        client.join(name, order=order, max_delivery=3, initial=1, invisible_time=20)
    held = []
    for _ in range(steps):
        kind = chance.choice("sssssrrrrrraaaannetqgk")
        groups = client.runner.engine.queue(QUEUE).groups
        group = groups[chance.choice(list(groups))]
        if kind == "s":
            messages = [
                Record(chance.randbytes(chance.choice((0, 30, 900))), chance.choice((None, "a", "b")))
                for _ in range(chance.choice((1, 1, 4)))
            ]
            client.send(*messages, queue=chance.choice((QUEUE, QUEUE, "default://other")))
        elif kind == "r":
            held += [(group, delivery) for delivery in client.fetch(group, chance.choice((1, 5)))]
        elif kind in "ane" and held:
            of, delivery = held.pop(chance.randrange(len(held)))
            try:
                if kind == "a":
                    client.ack(of, delivery)
                elif kind == "n":
                    client.nack(of, delivery, chance.choice((None, 0, 2)))
                else:
                    client.runner.give_back(
                        lambda engine, now_ms, of=of, delivery=delivery: engine.decide_extend(
                            now_ms, of.id, delivery.lease_id, 30
                        )
                    )
            except OMSRuntimeException as failure:
                assert failure.code == 1418  # it has expired, or a lease of two batches is settled
        elif kind == "t":
            clock.advance(chance.choice((0.5, 5, 25)))
        elif kind == "q":
            chance.choice((lambda: admin.purge_queue(QUEUE), lambda: None, lambda: None))()
        elif kind == "g":
            client.join(f"extra-{chance.randrange(3)}")
        else:
            admin.seek_group(QUEUE, group.name, chance.choice(("earliest", "latest", "offset:5")))


@pytest.mark.parametrize("seed", range(6))
def test_snapshot_and_replay_give_the_same_state(tmp_path, seed):
    clock, chance = SimulatedClock(), random.Random(seed)
    client = open_client(tmp_path / "a", clock=clock)
    random_work(client, clock, chance, 120)
    if seed % 2:
        client.store.maintenance.snapshot()
        random_work(client, clock, chance, 120)
    expected, messages = state(client), content(client)
    target = killed(client, tmp_path / "a", tmp_path / "b")
    shutil.copytree(target, tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "snapshots", ignore_errors=True)
    for directory in ("b", "c"):  # with the snapshot, if there is one, and from the first entry on
        again = open_client(tmp_path / directory, clock=clock)
        assert again.runner.engine.snapshot() == expected
        assert content(again) == messages
        again.close()
    client.close()
    last = open_client(tmp_path / "a", clock=clock)
    assert last.runner.engine.snapshot() == expected
    assert content(last) == messages
    last.close()


def test_leases_end_with_the_process_and_count(tmp_path):
    client = open_client(tmp_path / "a")
    client.send("a")
    group = client.join(max_delivery=3, initial=0)
    assert client.fetch(group)[0].attempt == 1
    client = open_client(killed(client, tmp_path / "a", tmp_path / "b"))
    group = client.join()
    (again,) = client.fetch(group)
    assert (again.attempt, bodies([again])) == (2, ["a"])
    client.close()
    client = open_client(tmp_path / "b")
    group = client.join()
    assert client.fetch(group)[0].attempt == 3
    client.close()
    client = open_client(tmp_path / "b")
    assert client.fetch(client.join()) == []
    (letter,) = records(client.admin.browse(f"{QUEUE}.g.dead-letter", 0, 0, 10, None))
    assert letter.properties["dead-letter.reason"] == "the process that held the lease ended"
    client.close()


def test_dead_letters_keep_reason_and_origin(tmp_path):
    client = open_client(tmp_path)
    client.send("fine", "bad")
    group = client.join(max_delivery=2)
    for _ in range(2):
        (held,) = client.fetch(group)
        if held.first == 0:
            client.ack(group, held, [0])
        client.nack(group, held, delay=0, reason="cannot be parsed")
    assert client.fetch(group) == []
    client.close()
    client = open_client(tmp_path)
    (letter,) = records(client.admin.browse(f"{QUEUE}.g.dead-letter", 0, 0, 10, None))
    assert letter.data == b"bad"
    said = letter.properties
    assert said["dead-letter.reason"] == "cannot be parsed"
    assert said["dead-letter.queue"] == QUEUE
    assert said["dead-letter.group"] == "g"
    assert int(said["dead-letter.offset"]) == 1
    assert int(said["dead-letter.partition"]) == 0
    assert int(said["dead-letter.delivery-count"]) == 2
    client.close()


def test_a_broadcast_group_ends_with_its_process(tmp_path):
    from openmessaging.model.spi import GroupConfig, SubscriptionSpec

    client = open_client(tmp_path / "a")
    client.admin.join(SubscriptionSpec(QUEUE, "own", GroupConfig(), broadcast=True))
    client.join("shared")
    client = open_client(killed(client, tmp_path / "a", tmp_path / "b"))
    assert [group.name for group in client.admin.list_groups()] == ["shared"]
    client.close()


def test_a_recreated_queue_starts_empty(tmp_path):
    client = open_client(tmp_path)
    client.send("old")
    client.join()
    client.admin.delete_queue(QUEUE)
    assert client.send("new").base_offset == 0
    assert client.browse() == ["new"]
    assert client.admin.list_groups() == []
    client.close()
    client = open_client(tmp_path)
    assert client.browse() == ["new"]
    assert client.receive(client.join()) == ["new"]
    client.close()


# ---- opening and closing -----------------------------------------------------------------------------------------


def test_a_directory_is_open_once(tmp_path):
    client = open_client(tmp_path)
    failure = failure_of(open_store, str(tmp_path), StoreOptions())
    assert failure.code == 1503
    assert str(os.getpid()) in failure.reason
    client.close()
    open_client(tmp_path).close()


def test_a_failed_opening_lets_the_directory_go(tmp_path):
    client = open_client(tmp_path)
    client.send("a")
    client.close()
    segment = next((tmp_path / "log").glob("*.seg"))
    good = segment.read_bytes()
    flip(segment, 50)
    assert code_of(open_client, tmp_path) == 1501
    segment.write_bytes(good)
    open_client(tmp_path).close()


def test_a_close_that_fails_lets_the_directory_go(tmp_path):
    client = open_client(tmp_path)
    client.send("a")
    shutil.rmtree(tmp_path / "snapshots", ignore_errors=True)
    client.runner.storage._root = str(tmp_path / "nowhere")  # where the mark of a clean close goes
    assert code_of(client.close) == 1501
    again = open_client(tmp_path)
    assert again.browse() == ["a"]
    again.close()


def test_nothing_stays_open(tmp_path):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc: open files cannot be counted here")
    gc.collect()  # what other tests left open
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        client = open_client(tmp_path, upkeep=True)
        client.send("a")
        client.receive(client.join())
        client.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_has_the_same_manners():
    store = open_memory(StoreOptions(), clock=SimulatedClock())
    client = Client(store)
    client.send("a")
    assert client.receive(client.join()) == ["a"]
    client.close()
    assert code_of(client.send, "b") == 1503


def test_sizes_of_what_is_not_yet_in_a_snapshot_count_after_opening(tmp_path):
    client = open_client(tmp_path / "a", segment_bytes=SMALL)
    client.store.maintenance.snapshot()
    for _ in range(5):
        client.send(bytes(900))
    again = open_client(killed(client, tmp_path / "a", tmp_path / "b"))
    maintenance = again.store.maintenance
    assert again.runner.storage.max_position() - maintenance._snapshot_position > 4500
    client.close()
    again.close()


def test_a_simulated_crash_keeps_what_was_answered():
    disk = simulated()
    client = open_client("/store", disk=disk)
    for number in range(50):
        client.send(f"{number}")
    disk.crash()
    client = open_client("/store", disk=disk)
    assert client.browse() == [f"{number}" for number in range(50)]
    assert SnapshotStore(disk, "/store/snapshots").newest() is None
