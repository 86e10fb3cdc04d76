"""Routes: how many messages a second go from a queue to another, and what a program that does the same by hand does.

    python -m benchmarks.routing [--messages 200000] [--batch 500] [--folder DIR] [--json]

The source is filled first; a route that begins with its first message then works it off alone. By hand: receive, decide
in Python, and send and acknowledge in a transaction per batch. At the end, how long a single message takes through a
route, sent and received by one thread, beside how long it takes without a route in between.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence

from benchmarks.common import folder
from openmessaging import blocking

BODY = os.urandom(100)
ROUTES: dict[str, Sequence[str]] = {
    "as they are": (),
    "filter, 1 in 100": ("filter color = 'red'",),
    "filter, 1 in 2": ("filter even",),
    "sample 50%": ("sample 50%",),
    "deduplicate by id": ("deduplicate within 600",),
    "set a property": ("set double = number * 2",),
}


def fill(access_point: blocking.AccessPoint, total: int, batch: int) -> None:
    """Messages with a key and three properties."""
    with access_point.create_producer() as producer:
        for first in range(0, total, batch):
            producer.send(
                [
                    producer.create_message(
                        "source",
                        BODY,
                        message_key=f"key-{at % 64}",
                        properties={"color": "red" if at % 100 == 0 else "blue", "even": at % 2 == 0, "number": at},
                    )
                    for at in range(first, min(first + batch, total))
                ]
            )


def routed(access_point: blocking.AccessPoint, name: str, operators: Sequence[str], total: int) -> float:
    """Messages of the source a second, until the route has handled all."""
    manager = access_point.resource_manager()
    start = time.perf_counter()
    manager.create_routing(name, "source", f"target of {name}", operators, start="earliest")
    while manager.describe_routing(name).lag:
        time.sleep(0.005)
    rate = total / (time.perf_counter() - start)
    manager.delete_routing(name)
    return rate


def by_hand(access_point: blocking.AccessPoint, total: int) -> float:
    """One in two, with a transaction per batch."""
    done = 0
    with (
        access_point.create_producer() as producer,
        access_point.create_pull_consumer("source", group="by hand") as consumer,
    ):
        start = time.perf_counter()
        while done < total:
            messages = consumer.batch_receive(500, timeout=5)
            with producer.transaction() as tx:
                tx.send(
                    [
                        producer.create_message(
                            "by hand", each.data, message_key=each.message_key, properties=dict(each.properties)
                        )
                        for each in messages
                        if each.properties["even"]
                    ]
                )
                tx.ack(messages)
            done += len(messages)
    return total / (time.perf_counter() - start)


def round_trips(access_point: blocking.AccessPoint, queue: str, target: str, count: int = 200) -> float:
    """Median ms from a send to its receipt."""
    took = []
    with access_point.create_producer() as producer, access_point.create_pull_consumer(target, group="g") as consumer:
        for _ in range(count):
            start = time.perf_counter()
            producer.send(producer.create_message(queue, BODY))
            message = consumer.receive(timeout=5)
            assert message is not None
            took.append(time.perf_counter() - start)
            message.ack()
    return statistics.median(took) * 1_000


def main() -> None:
    """Print what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--folder", help="where the store goes; by default among temporary files")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, float] = {}
    with folder(options.folder) as directory, blocking.connect(f"oms:embedded://{directory}/store") as access_point:
        fill(access_point, options.messages, options.batch)
        for name, operators in ROUTES.items():
            found[name] = routed(access_point, name, operators, options.messages)
        found["by hand, 1 in 2"] = by_hand(access_point, options.messages)
        access_point.resource_manager().routing("in", "out")
        found["ms through a route"] = round_trips(access_point, "in", "out")
        found["ms without a route"] = round_trips(access_point, "plain", "plain")
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<24}{value:>12,.2f}" if name.startswith("ms ") else f"{name:<24}{value:>12,.0f} messages/s")


if __name__ == "__main__":
    main()
