"""A second process on a directory, and the hand-over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

import openmessaging as oms
from openmessaging import blocking
from openmessaging.drivers.embedded import door, driver, guest
from openmessaging.drivers.oms import channel, link
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.lock import LOCK, StoreLock
from openmessaging.storage.lock import holder as said_holder
from tests.broker.stores import code_of, failure_of, open_client
from tests.drivers.embedded.processes import ROOT, holder


def url(directory):
    return f"oms:embedded://{directory}"


def received(consumer, count):
    found = []
    while len(found) < count:
        message = consumer.receive(timeout=20)
        assert message is not None, found
        found.append(message.data)
        message.ack()
    return found


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("how", ["killed", "closed"])
def test_a_guest_goes_on_when_the_holder_ends(tmp_path, monkeypatch, transport, how):
    monkeypatch.setattr(door, "TRANSPORT", transport)
    with (
        holder(tmp_path, transport) as process,
        blocking.connect(url(tmp_path)) as access_point,
        access_point.create_producer() as producer,
        access_point.create_pull_consumer("queue", group="g") as consumer,
    ):
        producer.send(producer.create_message("queue", b"1"))
        assert received(consumer, 2) == [b"from the holder", b"1"]
        producer.send(producer.create_message("queue", b"2"))
        held = consumer.receive(timeout=20)
        if how == "killed":
            process.kill()
            process.wait()
        else:
            process.communicate()
        producer.send(producer.create_message("queue", b"3"))
        held.ack()
        consumer.flush()
        assert received(consumer, 1) == [b"3"]
        info = access_point.resource_manager().describe_group("queue", "g")
        assert (info.lag, info.in_flight) == (0, 0), "what was received before counts after it"
        assert said_holder(str(tmp_path))["pid"] == os.getpid()
    StoreLock.acquire(str(tmp_path)).release()
    assert not {"DOOR", "SOCKET"} & set(os.listdir(tmp_path))


def test_the_asyncio_face(tmp_path):
    async def work(process):
        async with oms.connect(url(tmp_path)) as access_point, access_point.create_producer() as producer:
            sending = [producer.send_async(producer.create_message("queue", b"%d" % number)) for number in range(50)]
            process.kill()
            sending += [producer.send_async(producer.create_message("queue", b"%d" % n)) for n in range(50, 100)]
            for each in sending:
                await each
            async with access_point.create_pull_consumer("queue", group="g") as consumer:
                found = []
                while len(found) < 101:
                    found.append((await consumer.receive(timeout=20)).data)
                assert found == [b"from the holder", *(b"%d" % number for number in range(100))], "each once, in order"

    with holder(tmp_path) as process:
        asyncio.run(work(process))


def test_options_are_those_of_the_holder(tmp_path):
    with holder(tmp_path) as process:
        failure = failure_of(driver.open_blocking, parse(url(tmp_path)), {"flush": "always"})
        assert failure.code == 1418
        assert "another process" in failure.reason
        with blocking.connect(url(tmp_path)) as access_point, access_point.create_producer() as producer:
            process.kill()
            assert producer.send(producer.create_message("queue", b"x")).durability == "memory", "as the holder's"


def test_a_holder_that_is_stopped_is_named_and_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "OPENING_PATIENCE", 0.2)
    monkeypatch.setattr(link, "HELLO_TIMEOUT", 0.2)
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            failure = failure_of(blocking.connect(url(tmp_path)).startup)
            assert failure.code == 1503
            assert f"process {process.pid} on host {socket.gethostname()}" in failure.reason
            assert "does not answer" in failure.reason
            assert failure.next_step
        finally:
            process.send_signal(signal.SIGCONT)
            monkeypatch.undo()
        with blocking.connect(url(tmp_path)) as access_point:
            assert access_point.resource_manager().list_queues() == {"default://queue"}


def test_a_holder_on_another_machine_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "FAR_PATIENCE", 0.0)
    client = open_client(tmp_path)  # without a door, as one that cannot be reached
    (tmp_path / LOCK).write_text(json.dumps({"pid": 7, "host": "elsewhere", "started_ms": 1}))
    failure = failure_of(blocking.connect(url(tmp_path)).startup)
    assert failure.code == 1503
    assert "process 7 on host elsewhere" in failure.reason
    assert "oms serve" in failure.next_step
    client.close()


def test_a_holder_of_another_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(link, "VERSION", 99)
    with holder(tmp_path) as process:
        failure = failure_of(blocking.connect(url(tmp_path)).startup)
        assert failure.code == 1101
        assert f"process {process.pid} on" in failure.reason


def test_a_store_that_is_damaged_is_not_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "PATIENCE", 0.3)
    with (
        holder(tmp_path) as process,
        blocking.connect(url(tmp_path)) as access_point,
        access_point.create_producer() as producer,
    ):
        producer.send(producer.create_message("queue", b"x"))
        (tmp_path / "log").rename(tmp_path / "gone")
        (tmp_path / "log").write_text("no directory")
        process.kill()
        assert code_of(producer.send, producer.create_message("queue", b"x")) in (1410, 1503)


def test_serving_needs_the_lock(tmp_path):
    with holder(tmp_path) as process:
        failure = failure_of(asyncio.run, driver.hold(parse(url(tmp_path)), {}))
        assert failure.code == 1503
        assert f"process {process.pid} on" in failure.reason

    async def hold():
        held = await driver.hold(parse(url(tmp_path)), {})
        await held.close()

    asyncio.run(hold())


def test_both_faces_and_a_second_access_point_of_a_process_that_took_over(tmp_path):
    async def read():
        async with oms.connect(url(tmp_path)) as third:
            return await third.resource_manager().list_queues()

    with holder(tmp_path) as process, blocking.connect(url(tmp_path)) as first:
        first.resource_manager().create_queue("mine")
        process.kill()
        assert "default://mine" in first.resource_manager().list_queues()
        with blocking.connect(url(tmp_path)) as second, second.create_producer() as producer:
            producer.send(producer.create_message("mine", b"x"))
            first.shutdown()
            producer.send(producer.create_message("mine", b"y"))
            assert "default://mine" in asyncio.run(read())
    StoreLock.acquire(str(tmp_path)).release()


OPENER = """
import sys
from openmessaging import blocking
print("up", flush=True)
sys.stdin.readline()
with blocking.connect("oms:embedded://" + sys.argv[1]) as access_point, access_point.create_producer() as producer:
    for number in range(10):
        producer.send(producer.create_message("queue", sys.argv[2].encode() + b" %d" % number))
"""


def test_eight_processes_open_a_directory_at_once(tmp_path):
    command = [sys.executable, "-c", OPENER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*command, str(number)], **pipes) for number in range(8)]
    for process in processes:
        assert process.stdout.readline() == "up\n"
    ends = [threading.Thread(target=process.communicate, args=("go\n",)) for process in processes]
    for thread in ends:
        thread.start()
    for thread in ends:
        thread.join(60)
    assert [process.returncode for process in processes] == [0] * 8
    with (
        blocking.connect(url(tmp_path)) as access_point,
        access_point.create_pull_consumer("queue", group="g") as consumer,
    ):
        found = received(consumer, 80)
        assert consumer.receive(timeout=0) is None
    assert sorted(found) == sorted(b"%d %d" % (p, n) for p in range(8) for n in range(10))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_another_user_is_told(tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if not os.stat(parent).st_mode & 0o001:
            pytest.skip("others cannot come here at all")
    code = "import sys\nfrom openmessaging import blocking\nblocking.connect(sys.argv[1]).startup()"
    with holder(tmp_path):
        program = [sys.executable, "-c", code, url(tmp_path)]
        outcome = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, user=65534, check=False)
    assert "1501" in outcome.stderr, outcome.stderr
    assert "Permission denied" in outcome.stderr


def test_a_closed_access_point_lets_go(tmp_path):
    with holder(tmp_path) as process:
        access_point = blocking.connect(url(tmp_path))
        access_point.startup()
        access_point.shutdown()
        process.kill()
        process.wait()
        with pytest.raises(OMSRuntimeException):
            access_point.create_producer().startup()
        StoreLock.acquire(str(tmp_path)).release()
