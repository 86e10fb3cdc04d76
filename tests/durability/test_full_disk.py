"""A full disk: senders are told, everything else goes on, and sending works again when there is space."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, Client, failure_of, open_client, simulated

BODY = bytes(900)


def fill_up(client: Client, most: int = 20_000) -> int:
    """Send until the disk is full; returns how many were stored."""
    for number in range(most):
        try:
            client.send(BODY)
        except Exception as failure:
            assert failure.code == 1501
            assert "disk" in failure.reason
            assert "full" in failure.reason
            assert "/" in failure.reason
            assert failure.next_step
            return number
    raise AssertionError("the disk does not get full")


def drain(client: Client, group, count: int) -> None:
    """Receive and acknowledge, while the disk is full."""
    got = 0
    while found := client.fetch(group, 50):
        for delivery in found:
            got += delivery.last - delivery.first
            client.ack(group, delivery)
    assert got == count


def test_sending_works_again_when_the_disk_grows():
    disk = simulated(capacity_bytes=1 << 20)
    client = open_client("/store", disk=disk, clock=SimulatedClock())
    group = client.join()
    stored = fill_up(client)
    assert stored > 100
    assert failure_of(client.send, BODY).code == 1501
    client.ack(group, client.fetch(group, 1)[0])
    held = client.fetch(group, 1)[0]
    client.nack(group, held, delay=0)
    assert client.fetch(group, 1)[0].attempt == 2
    client.runner.flush()
    assert client.admin.describe_group(QUEUE, "g").lag == stored - 1
    disk.capacity_bytes *= 2
    client.send(b"again")
    assert client.browse()[-1] == "again"
    disk.crash()
    client = open_client("/store", disk=disk)
    assert len(client.browse()) == stored + 1


def test_sending_works_again_when_consumers_have_caught_up():
    disk = simulated(capacity_bytes=2 << 20)
    client = open_client("/store", disk=disk, clock=SimulatedClock())
    group = client.join()
    total = 0
    for _ in range(4):
        stored = fill_up(client)
        assert stored > 100
        total += stored
        drain(client, group, stored)
        client.upkeep()
        client.send(b"again")
        client.receive(group)
        total += 1
    assert client.admin.describe_queue(QUEUE).offsets[0][1] == total
    client.close()
    client = open_client("/store", disk=disk)
    assert client.send(b"more").base_offset == total


def test_purging_makes_space():
    disk = simulated(capacity_bytes=2 << 20)
    client = open_client("/store", disk=disk, clock=SimulatedClock())
    fill_up(client)
    client.admin.purge_queue(QUEUE)
    client.upkeep()
    client.send(b"again")


def test_the_whole_way_with_upkeep_by_itself():
    from openmessaging.broker import maintenance

    disk = simulated(capacity_bytes=2 << 20)
    before, maintenance.ROUND = maintenance.ROUND, 0.02
    try:
        client = open_client("/store", disk=disk, upkeep=True)
        group = client.join()
        drain(client, group, fill_up(client))
        from tests.broker.stores import eventually

        def sends() -> bool:
            try:
                return client.send(b"again").base_offset > 0
            except Exception as failure:
                assert failure.code == 1501
                return False

        eventually(sends)
        client.close()
    finally:
        maintenance.ROUND = before


def test_a_real_file_system_that_is_full(tmp_path):
    """On a small file system of its own, where that can be made."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("a small tmpfs can be mounted by root on Linux only")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted here: {made.stderr.strip()}")
    try:
        client = open_client(mount / "store", segment_bytes=1 << 20, upkeep=False)
        group = client.join()
        for _ in range(2):
            stored = fill_up(client)
            assert stored > 1000
            drain(client, group, stored)
            client.upkeep()
            assert client.send(b"again").base_offset > 0
            client.receive(group)
        client.close()
        client = open_client(mount / "store")
        assert client.send(b"more").base_offset > 0
        client.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)
