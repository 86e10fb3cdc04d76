"""What others are told outlives the process."""

from __future__ import annotations

import threading

from openmessaging.broker.outliving import write
from openmessaging.broker.runner import Runner
from tests.broker.stores import CountingDisk, code_of, open_client


def crashed_copy(client, tmp_path):
    """What the next opening finds when the process is killed now: what the operating system has."""
    import shutil

    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    return open_client(tmp_path / "copy")


def test_a_lease_is_written_and_not_synced(tmp_path):
    disk = CountingDisk()
    client = open_client(tmp_path / "store", disk=disk)
    group = client.join()
    client.send("a")
    (delivery,) = client.runner.receive(group, 1, 1 << 20, None, True)
    syncs, released = disk.syncs, []
    assert write(client.runner, released.append)
    assert (disk.syncs, released) == (syncs, [])
    again = crashed_copy(client, tmp_path)
    lease = again.runner.engine.leases[delivery.lease_id]
    assert lease.outside
    again.runner.ack(lease.group.id, lease.id, [delivery.base_offset])
    again.close()
    client.close()
    assert code_of(write, client.runner, released.append) == 1503


def test_leases_of_the_holder_itself_end_with_it(tmp_path):
    client = open_client(tmp_path / "store")
    group = client.join()
    client.send("a")
    client.send("b")
    client.runner.receive(group, 1, 1 << 20, None)
    client.runner.receive(group, 1, 1 << 20, None, True)
    assert write(client.runner, lambda _: None)
    again = crashed_copy(client, tmp_path)
    assert [lease.outside for lease in again.runner.engine.leases.values()] == [True]
    again.runner.flush()
    again.close()
    third = open_client(tmp_path / "copy")
    assert [lease.outside for lease in third.runner.engine.leases.values()] == [True], "in the snapshot too"
    third.close()
    client.close()


def test_while_somebody_syncs_it_waits_for_the_next(tmp_path):
    disk = CountingDisk()
    client = open_client(tmp_path / "store", disk=disk)
    group = client.join()
    client.send("a")
    disk.gate.clear()
    sending = threading.Thread(target=client.send, args=("b",))
    sending.start()
    assert disk.arrived.wait(10)
    client.runner.receive(group, 1, 1 << 20, None, True)
    released = threading.Event()
    assert not write(client.runner, lambda _: released.set())
    assert not released.is_set()
    disk.gate.set()
    assert released.wait(10)
    sending.join()
    client.close()


def test_a_log_that_failed_is_not_waited_for(tmp_path):
    client = open_client(tmp_path / "store")
    runner: Runner = client.runner
    with runner.lock:
        runner.leave_locked(ValueError("gone"))
        runner.closed = None
    assert write(runner, lambda _: None)
