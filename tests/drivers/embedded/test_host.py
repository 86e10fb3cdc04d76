"""Serving a store to guests costs nothing until one comes, and ends with its holder."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time

from openmessaging import blocking
from openmessaging.drivers.embedded import door, driver, host
from openmessaging.drivers.embedded.door import read_door
from openmessaging.drivers.embedded.guest import open_guest
from openmessaging.model.access_point import parse
from tests.broker.stores import eventually
from tests.drivers.embedded.processes import ROOT, holder

LONE = """
import sys
from openmessaging import blocking
with blocking.connect("oms:embedded://" + sys.argv[1]) as access_point, access_point.create_producer() as producer:
    producer.send(producer.create_message("queue", b"x"))
    print([name for name in sys.modules if name.startswith(("openmessaging.server", "openmessaging.drivers.oms"))])
"""


def test_a_lone_holder_loads_no_server(tmp_path):
    outcome = subprocess.run(
        [sys.executable, "-c", LONE, tmp_path], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert outcome.stdout == "[]\n"


def test_its_thread_sleeps(tmp_path):
    one = driver.open_blocking(parse(f"oms:embedded://{tmp_path}"), {})
    used = time.process_time()
    time.sleep(0.3)  # nothing happens: that is what is measured
    assert time.process_time() - used < 0.05
    one.close()
    eventually(lambda: "openmessaging-host" not in [thread.name for thread in threading.enumerate()])


def connections(tmp_path):
    return driver._places[str(tmp_path)].host.guests


def test_guests_come_and_go(tmp_path):
    one = driver.open_blocking(parse(f"oms:embedded://{tmp_path}"), {})

    async def visit():
        async def never():
            return False

        async def nothing():
            pass

        visitor = await open_guest(str(tmp_path), never, nothing)
        assert connections(tmp_path) == 1
        assert await visitor.list_queues("default") == []
        await visitor.close()

    assert connections(tmp_path) == 0
    asyncio.run(visit())
    eventually(lambda: connections(tmp_path) == 0)
    one.close()


def test_who_does_not_prove_it_does_not_come_in(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "TRANSPORT", "tcp")
    monkeypatch.setattr(host, "PROOF_TIMEOUT", 0.1)
    one = driver.open_blocking(parse(f"oms:embedded://{tmp_path}"), {})
    port = read_door(str(tmp_path)).port
    with socket.create_connection(("127.0.0.1", port), 5) as silent:
        assert silent.recv(1) == b"", "hung up on"
    with socket.create_connection(("127.0.0.1", port), 5) as wrong:
        wrong.sendall(bytes(64))
        wrong.settimeout(5)
        assert len(wrong.recv(64)) == 64
        with contextlib.suppress(ConnectionResetError):
            assert wrong.recv(1) == b""
    assert connections(tmp_path) == 0
    one.close()


def test_without_any_door_the_store_opens_all_the_same(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError("no sockets here")

    monkeypatch.setattr("openmessaging.drivers.embedded.factory.open_door", refuse)
    with blocking.connect(f"oms:embedded://{tmp_path}") as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("queue", b"x"))
    assert "no sockets here" in caplog.text


def test_a_holder_that_closes_waits_for_what_is_being_stored(tmp_path):
    """Sends under way are answered or go again: none is lost, none is stored twice."""

    async def work(process):
        from openmessaging.drivers.embedded import EmbeddedFactory

        factory = EmbeddedFactory()
        visitor = await factory.open(parse(f"oms:embedded://{tmp_path}"), {})
        assert await visitor.partition_count("default://queue") == 1
        process.stdin.close()
        await visitor.create_queue("default://other", 1, {})
        assert "default://other" in await visitor.list_queues("default")
        await visitor.close()

    with holder(tmp_path) as process:
        asyncio.run(work(process))
