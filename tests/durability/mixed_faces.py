"""Many threads and many tasks on one store at once: nothing lost, nothing twice, no deadlock.

    python -m tests.durability.mixed_faces [--seconds 60] [--threads 64] [--tasks 64]

Half of the threads and tasks send, half receive, all through two access points (one of each face) on one directory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter

import openmessaging as oms
from openmessaging import blocking


class Tally:
    """What was sent and received, as bodies."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.failures: list[BaseException] = []
        self.sending = True
        self.end = 0.0

    @property
    def done(self) -> bool:
        return not self.sending and len(self.received) >= len(self.sent)


def thread_sender(access_point: blocking.AccessPoint, tally: Tally, name: str) -> None:
    with access_point.create_producer() as producer:
        number = 0
        while time.monotonic() < tally.end:
            bodies = [f"{name}/{number + i}".encode() for i in range(1 + number % 3)]
            number += len(bodies)
            producer.send([producer.create_message("mixed", body) for body in bodies])
            tally.sent.extend(bodies)


def thread_receiver(access_point: blocking.AccessPoint, tally: Tally) -> None:
    with access_point.create_pull_consumer("mixed", group="group", prefetch=20) as consumer:
        while not tally.done:
            for message in consumer.batch_receive(20, timeout=0.2):
                message.ack()
                tally.received.append(message.data)


async def task_sender(access_point: oms.AccessPoint, tally: Tally, name: str) -> None:
    async with access_point.create_producer() as producer:
        number = 0
        while time.monotonic() < tally.end:
            body = f"{name}/{number}".encode()
            number += 1
            await producer.send(producer.create_message("mixed", body))
            tally.sent.append(body)


async def task_receiver(access_point: oms.AccessPoint, tally: Tally) -> None:
    async with access_point.create_pull_consumer("mixed", group="group", prefetch=20) as consumer:
        while not tally.done:
            message = await consumer.receive(timeout=0.2)
            if message is not None:
                await message.ack()
                tally.received.append(message.data)


async def all_tasks(url: str, tally: Tally, tasks: int) -> None:
    async with oms.connect(url) as access_point:
        await asyncio.gather(
            *(task_sender(access_point, tally, f"task-{number}") for number in range(tasks // 2)),
            *(task_receiver(access_point, tally) for _ in range(tasks - tasks // 2)),
        )


def run(seconds: float, threads: int, tasks: int, patience: float = 60.0) -> Tally:
    """Load for that many seconds, then wait until everything sent has been received."""
    tally = Tally()
    tally.end = time.monotonic() + seconds

    def guarded(work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as cause:
            tally.failures.append(cause)

    with tempfile.TemporaryDirectory(prefix="oms-mixed-") as directory:
        url = f"oms:embedded://{directory}"
        with blocking.connect(url) as access_point:
            senders = [
                threading.Thread(
                    target=guarded, args=(thread_sender, access_point, tally, f"thread-{number}"), daemon=True
                )
                for number in range(threads // 2)
            ]
            receivers = [
                threading.Thread(target=guarded, args=(thread_receiver, access_point, tally), daemon=True)
                for _ in range(threads - threads // 2)
            ]
            loop = threading.Thread(target=guarded, args=(asyncio.run, all_tasks(url, tally, tasks)), daemon=True)
            everyone = [*senders, *receivers, loop]
            for thread in everyone:
                thread.start()
            for thread in senders:
                thread.join(seconds + patience)
            time.sleep(max(0.0, tally.end - time.monotonic()) + 1.0)  # the tasks' senders stop by the same clock
            tally.sending = False
            for thread in everyone:
                thread.join(patience)
            tally.failures += [TimeoutError(thread.name) for thread in everyone if thread.is_alive()]
    return tally


def verdict(tally: Tally) -> list[str]:
    """What went wrong, in words; empty when nothing did."""
    received = Counter(tally.received)
    wrong = [f"failed: {cause!r}" for cause in tally.failures]
    lost = [body for body in tally.sent if body not in received]
    twice = [body for body, times in received.items() if times > 1]
    if lost:
        wrong.append(f"{len(lost)} lost, for example {lost[:3]}")
    if twice:
        wrong.append(f"{len(twice)} received twice, for example {twice[:3]}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=64)
    options = parser.parse_args()
    tally = run(options.seconds, options.threads, options.tasks)
    wrong = verdict(tally)
    print(f"{len(tally.sent):,} sent, {len(tally.received):,} received")
    for text in wrong:
        print("WRONG:", text)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
