"""Transactions on a running store."""

from openmessaging.broker.transactions import Settled
from openmessaging.broker.transactor import Transactor
from openmessaging.model.spi import Durability, OutgoingBatch
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, CountingDisk, code_of, eventually, finish, in_thread, open_client, simulated

OTHER = "default://invoices"


def test_a_commit_is_one_entry_and_one_sync(tmp_path):
    disk = CountingDisk()
    client = open_client(tmp_path, disk=disk)
    client.send("a")
    group = client.join()
    (delivery,) = client.fetch(group)
    transactor = Transactor(client.runner)
    before, entries = disk.syncs, client.runner.storage.max_index()
    batches = [OutgoingBatch(OTHER, None, client.batch("x", "y")), OutgoingBatch(QUEUE, None, client.batch("z"))]
    placements = transactor.commit(batches, [Settled(group.id, delivery.lease_id, None)])
    assert [(placement.base_offset, placement.durability) for placement in placements] == [
        (0, Durability.FSYNC),
        (1, Durability.FSYNC),
    ]
    assert client.runner.storage.max_index() == entries + 1
    assert disk.syncs == before + 1
    assert client.browse(OTHER) == ["x", "y"]
    assert client.receive(group) == ["z"]
    client.close()


def test_commits_of_many_threads_share_syncs(tmp_path):
    disk = CountingDisk()
    client = open_client(tmp_path, disk=disk)
    client.send("a")
    transactor = Transactor(client.runner)
    disk.gate.clear()
    threads = [
        in_thread(lambda: transactor.commit([OutgoingBatch(QUEUE, None, client.batch("x"))], ()))[0] for _ in range(5)
    ]
    assert disk.arrived.wait(10)
    before = disk.syncs
    eventually(lambda: client.runner.storage.max_index() >= 5)
    disk.gate.set()
    finish(*threads)
    assert disk.syncs <= before + 1
    assert client.browse().count("x") == 5
    client.close()


def test_what_was_acknowledged_before_cannot_be_committed(tmp_path):
    client = open_client(tmp_path)
    client.send("a", "b")
    group = client.join()
    (delivery,) = client.fetch(group)
    client.ack(group, delivery, [0])  # gathered, not in the log yet
    transactor = Transactor(client.runner)
    settled = [Settled(group.id, delivery.lease_id, [0])]
    assert code_of(transactor.commit, [OutgoingBatch(OTHER, None, client.batch("x"))], settled) == 1418
    assert OTHER not in client.runner.engine.queues
    client.close()
    assert code_of(transactor.commit, [], settled) == 1503


def test_an_expired_lease_fails_the_whole_commit_and_the_message_comes_again(tmp_path):
    clock = SimulatedClock()
    client = open_client(tmp_path, clock=clock)
    client.send("a")
    group = client.join(invisible_time=5, initial=0)
    (delivery,) = client.fetch(group)
    clock.advance(5)
    settled = [Settled(group.id, delivery.lease_id, None)]
    transactor = Transactor(client.runner)
    assert code_of(transactor.commit, [OutgoingBatch(OTHER, None, client.batch("x"))], settled) == 1418
    assert OTHER not in client.runner.engine.queues
    assert client.receive(group) == ["a"]
    client.close()


def test_a_failed_log_takes_no_commit():
    disk = simulated()
    client = open_client("/store", disk=disk)
    client.send("a")
    group = client.join()
    (delivery,) = client.fetch(group)
    transactor = Transactor(client.runner)
    disk.fail_sync_in = 1
    settled = [Settled(group.id, delivery.lease_id, None)]
    assert code_of(transactor.commit, [OutgoingBatch(OTHER, None, client.batch("x"))], settled) == 1501
    assert code_of(transactor.commit, [], settled) == 1501
