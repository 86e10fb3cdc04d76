"""Segments go and what is needed of them is copied forward while the process is killed, again and again."""

import random
import shutil
import subprocess
import sys
import time

from tests.broker.stores import bodies, open_client
from tests.durability.reclaim_worker import KEPT


def life(directory, name, rng):
    command = [sys.executable, "-m", "tests.durability.reclaim_worker", str(directory), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline()]
    time.sleep(rng.uniform(0.1, 0.5))  # the random moment is the point
    process.kill()
    lines += process.stdout
    process.wait()
    return dict(reversed(line.split()) for line in lines if line.endswith("\n"))


def test_offsets_and_messages_stay_when_killed_while_reclaiming(tmp_path):
    rng = random.Random(20261125)
    expected = {}
    for number in range(6):
        expected |= life(tmp_path, f"life-{number}", rng)
        if number % 3 == 2:
            shutil.rmtree(tmp_path / "index")
        client = open_client(tmp_path)
        there = {
            body: str(delivery.base_offset + place)
            for delivery in client.admin.browse(KEPT, 0, 0, 1_000_000, None)
            for place, body in enumerate(bodies([delivery]))
        }
        assert expected.items() <= there.items()
        if number % 2:
            client.close()
        else:  # leave it as it is, like a process that died
            client.store._lock.release()
    client = open_client(tmp_path)
    assert client.runner.storage.min_index() > 0, "no segment went: nothing was tested"
    group = client.join(queue=KEPT)
    assert expected.keys() <= set(client.receive(group, 1_000_000))
    client.close()
