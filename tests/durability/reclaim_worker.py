"""A process that sends to two queues of one store until it is killed, while segments go as fast as they can.

What is sent to `busy` is consumed at once; what is sent to `kept` stays. To stdout, a line for each send to `kept` that
returned: offset and body. Run: python -m tests.durability.reclaim_worker DIRECTORY NAME
"""

from __future__ import annotations

import os
import sys
import threading

from openmessaging.broker import maintenance
from tests.broker.stores import Client, open_client

BUSY, KEPT = "default://busy", "default://kept"


def consume(client: Client) -> None:
    group = client.join(queue=BUSY)
    woken = threading.Event()
    while True:
        found = client.runner.receive(group, 100, 1 << 20, woken.set)
        for delivery in found:
            client.ack(group, delivery)
        if not found:
            woken.wait()
            woken.clear()


def main() -> None:
    directory, name = sys.argv[1:]
    maintenance.ROUND = 0.01
    maintenance.SNAPSHOT_ENTRIES = 100
    client = open_client(directory, upkeep=True)
    client.join(queue=KEPT)
    threading.Thread(target=consume, args=(client,), daemon=True).start()
    for number in range(1_000_000):
        client.send(bytes(2000), queue=BUSY)
        if number % 10 == 0:
            body = f"{name}-{number}"
            offset = client.send(body, queue=KEPT).base_offset
            os.write(1, f"{offset} {body}\n".encode())


if __name__ == "__main__":
    main()
