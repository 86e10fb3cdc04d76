"""What a transaction, a prepared message and a send that is stored once cost beside a plain send: one caller, in turns.

    python -m benchmarks.transactions [--flush always|interval] [--json]

Each figure is calls a second of one thread on the embedded store, messages of 100 bytes. `transform` takes a message,
and sends two and acknowledges it in one transaction; beside it the same in three calls that may come apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Callable

from benchmarks.common import closed_loop, folder
from openmessaging import TransactionCheck, blocking

BODY = os.urandom(100)
ROUNDS = 3
AHEAD = 20_000


def _never(*_: object) -> None:
    """The state check listener that `prepare` asks for; nothing is ever in doubt here."""


def steps(
    access_point: blocking.AccessPoint, producer: blocking.Producer, named: blocking.Producer
) -> dict[str, Callable[[], object]]:
    numbers = itertools.count()
    create = producer.create_message
    consumer = access_point.create_pull_consumer("source", group="work", invisible_time=600)
    consumer.start()

    def taken() -> blocking.ReceivedMessage:
        message = consumer.receive(timeout=0)
        while message is None:
            producer.send([create("source", BODY) for _ in range(AHEAD)])
            message = consumer.receive(timeout=1)
        return message

    def transform() -> None:
        message = taken()
        with producer.transaction() as tx:
            tx.send(create("left", BODY))
            tx.send(create("right", BODY))
            tx.ack(message)

    def transform_apart() -> None:
        message = taken()
        producer.send(create("left", BODY))
        producer.send(create("right", BODY))
        message.ack()

    return {
        "send": lambda: producer.send(create("left", BODY)),
        "send, named producer": lambda: named.send(create("left", BODY)),
        "send_once by number": lambda: named.send_once(create("lines", BODY), sequence=next(numbers)),
        "send_once by key": lambda: producer.send_once(create("keyed", BODY), key=str(next(numbers))),
        "transaction of 1 send": lambda: _one(producer),
        "prepare and commit": lambda: producer.prepare(create("left", BODY)).commit(),
        "transform": transform,
        "transform in three calls": transform_apart,
    }


def _one(producer: blocking.Producer) -> None:
    with producer.transaction() as tx:
        tx.send(producer.create_message("left", BODY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flush", choices=("always", "interval"), default="always")
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        folder(options.folder) as path,
        blocking.connect(f"oms:embedded://{path}", {"flush": options.flush}) as access_point,
        access_point.create_producer(
            transaction_state_check_listener=_never, transaction_check=TransactionCheck(first=600)
        ) as producer,
        access_point.create_producer(name="benchmark") as named,
    ):
        access_point.resource_manager().create_queue("keyed", deduplication_window=60)
        found: dict[str, list[float]] = {}
        work = steps(access_point, producer, named)
        for _ in range(ROUNDS):
            for name, step in work.items():
                found.setdefault(name, []).append(closed_loop(step, options.seconds))
    result = {name: statistics.median(rates) for name, rates in found.items()}
    print(
        json.dumps(result, indent=1) if options.json else "\n".join(f"{k:26} {v:10,.0f}/s" for k, v in result.items())
    )


if __name__ == "__main__":
    main()
