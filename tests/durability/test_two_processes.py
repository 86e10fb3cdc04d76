"""Two processes and one directory."""

import os
import signal
import socket
import subprocess
import sys

from tests.broker.stores import failure_of, open_client

HOLDER = """
import sys
from tests.broker.stores import open_client
client = open_client(sys.argv[1], upkeep=True)
group = client.join()
for number in range(100):
    client.send(f"{number}")
print("ready", flush=True)
sys.stdin.read()
client.close()
"""


def start(directory):
    command = [sys.executable, "-c", HOLDER, str(directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_second_is_told_who_the_first_is_and_gets_the_store_when_that_dies(tmp_path):
    process = start(tmp_path)
    try:
        failure = failure_of(open_client, tmp_path)
        assert failure.code == 1503
        assert f"process {process.pid} on host {socket.gethostname()}" in failure.reason
        assert failure.next_step
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    client = open_client(tmp_path)
    assert client.receive(client.join()) == [f"{number}" for number in range(100)]
    client.close()


def test_a_holder_that_closes_lets_go(tmp_path):
    process = start(tmp_path)
    process.communicate(timeout=20)
    client = open_client(tmp_path)
    assert len(client.browse()) == 100
    client.close()
