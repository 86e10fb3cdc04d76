"""What upkeep does by itself, and that nothing stops it."""

from __future__ import annotations

import threading

import pytest

from openmessaging.broker import maintenance
from openmessaging.broker.store import StoreOptions, open_memory
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, Client, code_of, eventually, open_client, simulated


@pytest.fixture
def client(tmp_path):
    client = open_client(tmp_path, upkeep=True)
    yield client
    client.close()


@pytest.mark.parametrize("flush", ["always", "interval", "never"])
def test_acks_reach_the_log_soon_without_anybody_waiting(tmp_path, flush):
    client = open_client(tmp_path, upkeep=True, flush=flush, flush_interval=0.05)
    client.send("a")
    group = client.join()
    (held,) = client.fetch(group)
    client.ack(group, held)
    storage = client.runner.storage
    if flush == "never":
        eventually(lambda: storage._written == storage.max_position() and not client.runner._acks)
    else:
        eventually(lambda: storage.durable_index() == storage.max_index() and not client.runner._acks)
    client.close()


def test_interval_syncs_what_was_sent(tmp_path):
    client = open_client(tmp_path, upkeep=True, flush="interval", flush_interval=0.05)
    for _ in range(3):
        client.send("a")
        index = client.runner.storage.max_index()
        eventually(lambda index=index: client.runner.storage.durable_index() >= index)
    client.close()


def test_syncs_of_the_interval_and_of_senders_never_overlap(tmp_path):
    from tests.broker.stores import CountingDisk, finish, in_thread

    class OneAtATime(CountingDisk):
        busy = threading.Lock()
        overlaps = 0

        def syncing(self, path):
            if path.endswith(".seg"):
                if not self.busy.acquire(blocking=False):
                    self.overlaps += 1
                    return
                try:
                    super().syncing(path)
                    threading.Event().wait(0.001)
                finally:
                    self.busy.release()

    disk = OneAtATime()
    client = open_client(tmp_path, disk=disk, upkeep=True, flush="interval", flush_interval=0.001)

    def work():
        for _ in range(50):
            client.send("a")
            client.runner.flush()

    senders = [in_thread(work) for _ in range(4)]
    finish(*(thread for thread, _ in senders))
    assert [failures for _, failures in senders] == [[]] * 4
    client.close()
    assert disk.syncs > 10
    assert disk.overlaps == 0
    client = open_client(tmp_path)
    assert client.browse() == ["a"] * 200
    client.close()


def test_whoever_wakes_upkeep_all_the_time_holds_nothing_up(tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "ROUND", 60.0)
    client = open_client(tmp_path, upkeep=True)
    over = threading.Event()

    def wake():
        while not over.is_set():
            client.runner.alarm.on_soon()

    waking = threading.Thread(target=wake)
    waking.start()
    client.send("a")
    group = client.join()
    client.ack(group, client.fetch(group)[0])
    storage = client.runner.storage
    try:
        eventually(lambda: storage.durable_index() == storage.max_index() and not client.runner._acks)
    finally:
        over.set()
        waking.join()
        client.close()


def test_a_lease_expires_without_anybody_asking(client):
    client.send("a")
    group = client.join(invisible_time=0.02, initial=0)
    client.fetch(group)
    woken = threading.Event()
    client.runner.receive(group, 1, 1 << 20, woken.set)
    assert woken.wait(10)
    assert client.fetch(group)[0].attempt == 2


def test_a_dead_letter_of_an_expired_lease_becomes_visible(client):
    client.send("a")
    group = client.join(invisible_time=0.02, max_delivery=1)
    client.fetch(group)
    queue = f"{QUEUE}.g.dead-letter"
    eventually(lambda: queue in client.runner.engine.queues and client.browse(queue) == ["a"])


def test_memory_shows_dead_letters_too():
    client = Client(open_memory(StoreOptions()))
    client.send("a")
    group = client.join(max_delivery=1)
    client.nack(group, client.fetch(group)[0])
    queue = f"{QUEUE}.g.dead-letter"
    eventually(lambda: client.browse(queue) == ["a"])
    client.close()


@pytest.mark.parametrize(("name", "value"), [("SNAPSHOT_BYTES", 10_000), ("SNAPSHOT_ENTRIES", 20)])
def test_a_snapshot_is_due_after_bytes_or_entries(tmp_path, monkeypatch, name, value):
    monkeypatch.setattr(maintenance, name, value)
    client = open_client(tmp_path, clock=SimulatedClock())
    client.store.maintenance.work(full_round=True)
    assert not (tmp_path / "snapshots").exists()
    for _ in range(20):
        client.send(bytes(900))
    client.store.maintenance.work(full_round=False)
    assert not (tmp_path / "snapshots").exists()
    client.store.maintenance.work(full_round=True)
    (first,) = (tmp_path / "snapshots").iterdir()
    client.store.maintenance.work(full_round=True)
    client.store.maintenance.snapshot()
    assert list((tmp_path / "snapshots").iterdir()) == [first]
    client.close()


def test_rounds_come_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "ROUND", 0.01)
    monkeypatch.setattr(maintenance, "SNAPSHOT_ENTRIES", 3)
    client = open_client(tmp_path, upkeep=True)
    group = client.join()
    for _ in range(200):
        client.send(bytes(900))
    client.receive(group, 1000)
    eventually(lambda: client.runner.storage.min_index() > 0)
    client.close()


def test_upkeep_lives_on_after_whatever_fails(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(maintenance, "PAUSE", 0.01)
    client = open_client(tmp_path, upkeep=True)
    failed = threading.Event()
    prepare = client.runner.storage.prepare

    def fails():
        failed.set()
        raise ValueError("something nobody thought of")

    monkeypatch.setattr(client.runner.storage, "prepare", fails)
    client.send("a")
    group = client.join(invisible_time=0.02, initial=0)
    client.fetch(group)
    assert failed.wait(10)
    eventually(lambda: "nobody thought of" in caplog.text)
    monkeypatch.setattr(client.runner.storage, "prepare", prepare)
    client.fetch(group)
    woken = threading.Event()
    client.runner.receive(group, 1, 1 << 20, woken.set)
    assert woken.wait(10)
    client.close()


def test_a_failing_upkeep_does_not_spin(tmp_path, monkeypatch):
    disk = simulated()
    client = open_client("/store", disk=disk, upkeep=True)
    tries = []
    client.send("a")
    group = client.join(invisible_time=0.01, max_delivery=1)
    work = client.store.maintenance.work

    def counted(*, full_round):
        tries.append(full_round)
        work(full_round=full_round)
        if client.runner.committer.failure is not None:
            raise client.runner.committer.failure

    monkeypatch.setattr(client.store.maintenance, "work", counted)
    client.fetch(group)
    disk.fail_sync_in = 1
    assert code_of(client.send, "b") == 1501
    before = len(tries)
    threading.Event().wait(0.3)  # how often it tries in this time is what is tested
    assert len(tries) - before <= 8
    assert code_of(client.close) == 1501


def test_a_snapshot_on_a_full_disk_fails_and_the_store_goes_on():
    disk = simulated()
    client = open_client("/store", disk=disk)
    client.send("a")
    disk.capacity_bytes = 0
    assert code_of(client.store.maintenance.snapshot) == 1501
    disk.capacity_bytes = 1 << 30
    client.store.maintenance.snapshot()
    assert client.send("b").base_offset == 1
    client.close()
