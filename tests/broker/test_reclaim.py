"""What retention lets go, and how segments go with it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from openmessaging.broker.reclaim import Held
from openmessaging.broker.store import StoreOptions, open_memory
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, Client, bodies, code_of, failure_of, open_client, simulated

SLOW = "default://slow"


def fill(client: Client, count: int = 200, queue: str = QUEUE) -> None:
    for number in range(count):
        client.send(b"%06d" % number + bytes(794), queue=queue)


def first(client: Client, queue: str = QUEUE) -> int:
    return client.admin.describe_queue(queue).offsets[0][0]


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / "log").glob("*.seg"))


def test_nothing_goes_without_a_snapshot(client):
    group = client.join()
    fill(client)
    client.receive(group, 1000)
    assert client.store.maintenance._reclaimer.run(-1) == 0
    assert client.store.maintenance._reclaimer.blocked
    assert client.runner.storage.min_index() == 0


def test_what_all_groups_have_consumed_goes(client, tmp_path):
    group, other = client.join(), client.join("other")
    fill(client)
    before = size_of(tmp_path)
    client.receive(group, 1000)
    client.upkeep()
    assert client.runner.storage.min_index() == 0  # the other group has not read it
    client.receive(other, 150)
    client.upkeep()
    assert 0 < first(client) <= 150
    client.receive(other, 1000)
    client.upkeep()
    assert first(client) > 150
    assert size_of(tmp_path) < before / 2
    assert len(client.runner.storage.segments()) <= 2


def test_without_a_group_nothing_is_consumed(client):
    fill(client)
    client.upkeep()
    assert first(client) == 0


def test_what_is_older_than_the_age_goes(client, clock):
    client.admin.create_queue(QUEUE, 1, {"retention": "keep", "retention_age": 60})
    group = client.join()
    fill(client, 100)
    clock.advance(50)
    fill(client, 100)
    client.receive(group, 1000)
    client.upkeep()
    assert first(client) == 0  # consumed, and kept all the same
    clock.advance(20)
    client.upkeep()
    assert 0 < first(client) <= 100
    clock.advance(60)
    client.upkeep()
    assert first(client) > 100


def test_what_is_beyond_the_size_goes_oldest_first(client):
    client.admin.create_queue(QUEUE, 1, {"retention_bytes": 50_000})
    for _ in range(4):
        fill(client, 100)
        client.upkeep()
    (start, end) = client.admin.describe_queue(QUEUE).offsets[0]
    assert end == 400
    assert 200 < start <= end - 50  # by whole segments: never more than asked for
    assert client.browse()[-1].startswith("000099")
    client.admin.purge_queue(QUEUE)
    fill(client, 100)
    client.upkeep()
    assert client.admin.describe_queue(QUEUE).messages >= 50


def test_messages_on_lease_go_by_age_too_and_a_late_ack_is_refused(client, clock):
    client.admin.create_queue(QUEUE, 1, {"retention_age": 60})
    group = client.join(invisible_time=1000)
    fill(client, 150)
    held = client.fetch(group, 1)[0]
    clock.advance(70)
    client.ack(group, held, [0])  # noted, and not yet in the log
    client.upkeep()
    assert first(client) > 0
    assert client.admin.describe_group(QUEUE, "g").in_flight == 0


def test_what_little_is_needed_is_copied_forward(client, tmp_path):
    group, slow = client.join(), client.join("slow", queue=SLOW)
    placed = [client.send(f"slow {number}", queue=SLOW).base_offset for number in range(5)]
    fill(client)
    client.receive(group, 1000)
    client.upkeep()
    assert client.runner.storage.min_index() > 0
    assert client.browse(SLOW) == [f"slow {number}" for number in placed]
    assert [delivery.base_offset for delivery in client.admin.browse(SLOW, 0, 0, 10, None)] == placed
    fill(client)  # and again: copies of copies
    client.receive(group, 1000)
    client.upkeep()
    fill(client)
    client.receive(group, 1000)
    client.upkeep()
    assert client.receive(slow) == [f"slow {number}" for number in placed]


def test_many_small_batches_are_copied_in_groups(tmp_path):
    client = open_client(tmp_path, segment_bytes=256 * 1024)
    group = client.join()
    client.join(queue=SLOW)
    for number in range(300):
        client.send(f"{number}", queue=SLOW)
    for _ in range(12):
        client.send(bytes(40_000))
    client.receive(group, 1000)
    client.store.maintenance.snapshot()
    before = client.runner.storage.max_index()
    client.upkeep()
    assert client.runner.storage.min_index() > 0
    assert client.runner.storage.max_index() - before < 20
    assert client.browse(SLOW) == [f"{number}" for number in range(300)]
    client.close()
    client = open_client(tmp_path)
    assert client.browse(SLOW) == [f"{number}" for number in range(300)]
    client.close()


def test_what_is_needed_in_full_stays(client):
    client.join()
    fill(client)
    client.upkeep()
    assert client.runner.storage.min_index() == 0


def test_a_queue_deleted_while_its_messages_are_copied_leaves_nothing_behind(client):
    group = client.join()
    client.send("slow", queue=SLOW)
    client.join(queue=SLOW)
    fill(client)
    client.receive(group, 1000)
    client.store.maintenance.snapshot()
    reclaimer = client.store.maintenance._reclaimer
    segments = client.runner.storage.segments()
    held = reclaimer._scan(segments[0], segments[1].base_index)
    limits = reclaimer._limits(set(held), segments[1].base_index)
    groups = list(reclaimer._live(segments[0].base_index, segments[1].base_index, limits))
    number = client.runner.engine.queue(SLOW).partitions[0].id
    client.admin.delete_queue(SLOW)
    copies = [reclaimer._copy(group) for group in groups]
    assert len(copies) == 1
    reclaimer._drop(segments[1].base_index, copies, held, limits)
    assert client.runner.indexes.next(number, 0) is None
    assert code_of(client.browse, SLOW) == 1404
    client.send("again", queue=SLOW)
    assert client.browse(SLOW) == ["again"]


def test_purged_and_deleted_messages_give_their_space_back(client, tmp_path):
    client.join()
    client.join(queue=SLOW)
    fill(client)
    fill(client, queue=SLOW)
    before = size_of(tmp_path)
    assert client.admin.purge_queue(QUEUE) == 200
    client.admin.delete_queue(SLOW)
    client.upkeep()
    assert size_of(tmp_path) < before / 3
    assert client.browse() == []
    assert client.send("next").base_offset == 200


def test_the_older_snapshot_still_serves_when_the_newest_is_damaged(tmp_path, clock):
    client = open_client(tmp_path / "a", clock=clock)
    group = client.join()
    client.send("kept", queue=SLOW)
    client.join(queue=SLOW)
    for _ in range(3):
        fill(client)
        client.receive(group, 1000)
        client.store.maintenance.snapshot()
        client.upkeep()
    fill(client, 10)
    client.runner.flush()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    expected = client.browse(), client.browse(SLOW), first(client)
    client.close()
    newest = max((tmp_path / "b" / "snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    client = open_client(tmp_path / "b", clock=clock)
    assert (client.browse(), client.browse(SLOW), first(client)) == expected
    client.close()


def test_a_full_disk_stops_copying_and_nothing_is_lost():
    disk = simulated()
    client = open_client("/store", disk=disk)
    group = client.join()
    client.join(queue=SLOW)
    for number in range(5):
        client.send(f"slow {number}", queue=SLOW)
    fill(client)
    client.receive(group, 1000)
    client.store.maintenance.snapshot()
    disk.fail_write_in = 2
    assert failure_of(client.upkeep).code == 1501
    disk.crash()
    client = open_client("/store", disk=disk)
    client.upkeep()
    assert client.browse(SLOW) == [f"slow {number}" for number in range(5)]


def test_a_store_in_memory_gives_its_memory_back():
    client = Client(open_memory(StoreOptions(), clock=SimulatedClock()))
    client.store.maintenance.stop()
    group = client.join()
    client.send("slow", queue=SLOW)
    client.join(queue=SLOW)
    for number in range(9000):
        client.send(f"{number}")
        if number % 500 == 0:
            client.receive(group, 1000)
    client.receive(group, 1000)
    assert client.runner.storage.max_index() > 8192
    client.upkeep()
    assert client.runner.storage.min_index() >= 4096
    assert client.browse(SLOW) == ["slow"]
    assert len(client.admin.browse(QUEUE, 0, 0, 10_000, None)) < 6000
    client.close()


@pytest.mark.parametrize("seed", range(5))
def test_under_random_load_all_that_is_needed_stays_where_it_was(tmp_path, seed, clock):
    chance = random.Random(seed)
    client = open_client(tmp_path, clock=clock)
    for name in ("a", "b", "c"):
        client.join(queue=f"default://{name}")
    expected: dict[str, dict[int, str]] = {"a": {}, "b": {}, "c": {}}
    for step in range(250):
        name = chance.choice("aaab")
        for _ in range(chance.choice((1, 3))):
            body = f"{name} {step} " + "x" * chance.choice((10, 900, 3000))
            expected[name][client.send(body, queue=f"default://{name}").base_offset] = body
        if step % 60 == 0:
            expected["c"][client.send(f"c {step}", queue="default://c").base_offset] = f"c {step}"
        if chance.random() < 0.5:
            group = client.join(queue=f"default://{chance.choice('ab')}")
            for delivery in client.fetch(group, 20):
                client.ack(group, delivery)
                del expected[group.queue.name[-1]][delivery.base_offset]
        if chance.random() < 0.1:
            client.store.maintenance.snapshot()
        if chance.random() < 0.2:
            client.upkeep()
        if chance.random() < 0.03:
            client.close()
            if chance.random() < 0.5:
                shutil.rmtree(tmp_path / "index")
            client = open_client(tmp_path, clock=clock)
    assert client.runner.storage.min_index() > 0
    for name, messages in expected.items():
        group = client.join(queue=f"default://{name}")
        got = {delivery.base_offset: bodies([delivery])[0] for delivery in client.fetch(group, 10_000, 1 << 30)}
        assert got == messages
    client.close()


def test_what_a_segment_holds_of_a_partition():
    held = Held()
    for end, size in ((10, 100), (20, 50), (5, 7), (30, 1)):  # the third is a copy of an older one
        held.add(end, size)
    assert [held.beyond(limit) for limit in (0, 4, 5, 10, 19, 20, 30)] == [158, 158, 151, 51, 51, 1, 0]
    assert [held.last_end(limit) for limit in (0, 4, 5, 12, 99)] == [0, 0, 5, 10, 30]
