"""Consumption with a filter: how many messages a second are looked at when one in so many matches.

    python -m benchmarks.filtering [--messages 1000000] [--batch 500] [--one-in 100] [--order none|key] [--json]

Beside it, in the same run: the same queue received without a filter and compared in the consumer, and the parts of the
work on their own (decoding what the condition needs, and the condition).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from benchmarks.common import folder
from openmessaging import blocking
from openmessaging.filters import compile_condition
from openmessaging.model.batch import opened

BODY = os.urandom(100)
CONDITION = "color = 'red' AND weight > 5"


def fill(access_point: blocking.AccessPoint, total: int, batch: int, one_in: int) -> None:
    """Matches are spread evenly: one in each `one_in`."""
    with access_point.create_producer() as producer:
        create = producer.create_message
        for first in range(0, total, batch):
            producer.send(
                [
                    create(
                        "queue",
                        BODY,
                        message_key=f"key-{at % 64}",
                        properties={
                            "color": "red" if at % one_in == 0 else "blue",
                            "weight": 6 + at % 7,
                            "shop": "north",
                        },
                    )
                    for at in range(first, min(first + batch, total))
                ]
            )


def filtered(access_point: blocking.AccessPoint, total: int, one_in: int, order: Any) -> float:
    """Messages looked at a second, until the last match was received and acknowledged."""
    expected = -(-total // one_in)
    with access_point.create_pull_consumer(
        "queue", group=f"filtered-{order}", filter=CONDITION, order=order
    ) as consumer:
        got, start = 0, time.perf_counter()
        while got < expected:
            messages = consumer.batch_receive(500, timeout=5)
            assert messages
            consumer.ack(messages)
            got += len(messages)
        return total / (time.perf_counter() - start)


def compared_by_the_consumer(access_point: blocking.AccessPoint, total: int, one_in: int) -> float:
    """The same without a filter of the group: all messages are received and acknowledged."""
    with access_point.create_pull_consumer("queue", group="all") as consumer:
        got = found = 0
        start = time.perf_counter()
        while got < total:
            messages = consumer.batch_receive(500, timeout=5)
            assert messages
            for message in messages:
                properties = message.properties
                found += properties.get("color") == "red" and properties.get_int("weight", 0) > 5
            consumer.ack(messages)
            got += len(messages)
        assert found == -(-total // one_in)
        return total / (time.perf_counter() - start)


def parts(access_point: blocking.AccessPoint, batch: int) -> dict[str, float]:
    """ns per message of a batch: decoding, and the condition."""
    (delivery, *_) = access_point.get_driver().read("default://queue", 0, 0, batch)
    payload = opened(delivery.data).payload
    condition = compile_condition(CONDITION)
    best = {"decode_ns": 1e9, "condition_ns": 1e9}
    for _ in range(200):
        start = time.perf_counter()
        records = condition.decode(payload)
        between = time.perf_counter()
        condition.select(records, 0, None)
        end = time.perf_counter()
        best["decode_ns"] = min(best["decode_ns"], (between - start) / len(records) * 1e9)
        best["condition_ns"] = min(best["condition_ns"], (end - between) / len(records) * 1e9)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--one-in", type=int, default=100)
    parser.add_argument("--order", choices=("none", "key"), default="none")
    parser.add_argument("--folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        folder(options.folder) as path,
        blocking.connect(f"oms:embedded://{path}", {"flush": "interval"}) as access_point,
    ):
        access_point.resource_manager().create_queue("queue", retention="keep")
        fill(access_point, options.messages, options.batch, options.one_in)
        result = {
            "messages": options.messages,
            "batch": options.batch,
            "one_in": options.one_in,
            "filtered_per_s": filtered(access_point, options.messages, options.one_in, options.order),
            "compared_by_the_consumer_per_s": compared_by_the_consumer(access_point, options.messages, options.one_in),
            **parts(access_point, options.batch),
        }
        result["ratio"] = result["filtered_per_s"] / result["compared_by_the_consumer_per_s"]
    print(json.dumps(result, indent=1) if options.json else "\n".join(f"{k:34} {v:,.2f}" for k, v in result.items()))


if __name__ == "__main__":
    main()
