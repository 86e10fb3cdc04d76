"""A process that forks after it opened a store: the child never touches what is the parent's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from openmessaging import blocking
from openmessaging.drivers.embedded import driver
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.lock import StoreLock
from tests.broker.stores import eventually, failure_of
from tests.drivers.embedded.processes import ROOT, holder
from tests.drivers.embedded.test_guest import received, url
from tests.system.test_fork import in_child

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def test_the_child_of_a_holder_is_a_guest(tmp_path):
    with (
        blocking.connect(url(tmp_path)) as access_point,
        access_point.create_producer() as producer,
        access_point.create_pull_consumer("queue", group="g") as consumer,
    ):
        producer.send(producer.create_message("queue", b"1"))
        held = consumer.receive(timeout=5)

        def child():
            told = failure_of(producer.send, producer.create_message("queue", b"never"))
            acked = failure_of(held.ack)
            with access_point.create_producer() as own:
                own.send(own.create_message("queue", b"2"))
            producer.start()  # anew: it is the child's now
            producer.send(producer.create_message("queue", b"3"))
            producer.stop()
            access_point.shutdown()
            return told.code == acked.code == 1503 and "fork" in acked.reason

        assert in_child(child) == 0
        held.ack()
        producer.send(producer.create_message("queue", b"4"))
        assert received(consumer, 3) == [b"2", b"3", b"4"]


def test_what_a_child_closes_changes_nothing(tmp_path):
    one = driver.open_blocking(parse(url(tmp_path)), {})
    files = sorted(os.listdir(tmp_path))
    assert in_child(lambda: one.close() is None and sorted(os.listdir(tmp_path)) == files) == 0
    assert one.partition_count("default://queue") == 1
    one.close()


FORKING = """
import os, sys, time
from openmessaging import blocking
access_point = blocking.connect("oms:embedded://" + sys.argv[1])
access_point.startup()
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""


def test_a_child_that_lives_on_does_not_keep_the_lock_of_its_dead_parent(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        try:
            eventually(lambda: lock_is_free(str(tmp_path)))
        finally:
            os.kill(child, signal.SIGKILL)


def lock_is_free(directory):
    try:
        StoreLock.acquire(directory).release()
    except OMSRuntimeException:
        return False
    return True


def test_the_child_of_a_guest_is_a_guest_of_its_own(tmp_path):
    with holder(tmp_path), blocking.connect(url(tmp_path)) as access_point:
        access_point.startup()

        def goes_on():
            with access_point.create_producer() as producer:
                producer.send(producer.create_message("queue", b"from the child"))
            access_point.shutdown()
            return True

        assert in_child(goes_on) == 0
        assert access_point.resource_manager().describe_queue("queue").messages == 2
