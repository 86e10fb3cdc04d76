"""Delayed messages: how fast they are taken, what millions of them cost in memory, how late they come.

    python -m benchmarks.delays [--pending 10000000] [--fires 1000] [--seconds 5] [--folder DIR]

Three figures of one process. The rate of batched sends, each message with a delay of its own, beside that of plain ones
(in turns, so that a slow moment hits both); how much the process has grown with that many pending; and with all of them
pending, how late messages come that are due at a steady rate.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time

from benchmarks.common import folder
from openmessaging import blocking

BODY = os.urandom(100)
SIZE = 500


def resident_mb() -> float:
    """Memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def plain(producer: blocking.Producer, total: int) -> float:
    """Messages per second, their creation included."""
    start = time.perf_counter()
    for _ in range(total // SIZE):
        producer.send([producer.create_message("plain", BODY) for _ in range(SIZE)])
    return total / (time.perf_counter() - start)


def delayed(producer: blocking.Producer, total: int, chance: random.Random) -> float:
    """As `plain`, each with a delay of its own, of an hour to a month; drawing it does not count."""
    spent = 0.0
    for _ in range(total // SIZE):
        delays = [3_600_000 + int(chance.random() * 2_600_000_000) for _ in range(SIZE)]
        start = time.perf_counter()
        producer.send([producer.create_message("later", BODY, delay_time=delay) for delay in delays])
        spent += time.perf_counter() - start
    return total / spent


def lateness(access_point: blocking.AccessPoint, producer: blocking.Producer, rate: int, seconds: float) -> list[float]:
    """How late each message was received, ms, when `rate` of them are due each second."""
    first = time.time() + 3
    count = int(rate * seconds)
    for begin in range(0, count, SIZE):
        some = range(begin, min(begin + SIZE, count))
        producer.send(
            [
                producer.create_message("timed", b"%.6f" % (first + at / rate), deliver_at=first + at / rate)
                for at in some
            ]
        )
    late: list[float] = []
    with access_point.create_pull_consumer("timed", group="g") as consumer:
        while len(late) < count:
            messages = consumer.batch_receive(SIZE, timeout=10)
            now = time.time()
            late += [(now - float(message.data)) * 1000 for message in messages]
            consumer.ack(messages)
    return late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pending", type=int, default=10_000_000)
    parser.add_argument("--fires", type=int, default=1_000, help="messages due per second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--folder", metavar="DIR", help="where the store is made; on the disk to be measured")
    options = parser.parse_args()
    chance = random.Random(1)
    with (
        folder(options.folder) as path,
        blocking.connect(f"oms:embedded://{path}", {"flush": "interval"}) as access_point,
        access_point.create_producer() as producer,
    ):
        plain(producer, 50_000)
        delayed(producer, 50_000, chance)
        before = resident_mb()
        part = max(options.pending // 10, SIZE)
        rounds = range(options.pending // part)
        rates = [(plain(producer, part // 10), delayed(producer, part, chance)) for _ in rounds]
        print(f"plain sends    {statistics.median(rate for rate, _ in rates):>12,.0f}/s")
        print(f"delayed sends  {statistics.median(rate for _, rate in rates):>12,.0f}/s")
        print(f"ratio          {statistics.median(late / now for now, late in rates):>12.2f}")
        print(f"memory grown   {resident_mb() - before:>12.1f} MB with {options.pending:,} pending", flush=True)
        late = sorted(lateness(access_point, producer, options.fires, options.seconds))
        median, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        print(f"late at {options.fires:,}/s: median {median:.1f} ms, p99 {p99:.1f} ms, worst {late[-1]:.1f} ms")


if __name__ == "__main__":
    main()
