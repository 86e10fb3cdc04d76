"""A process that shares a directory with others: it sends and consumes until it is told to stop, or killed.

To stdout, a line each time, with the time of the monotonic clock in ns, which all processes share:

    O                        the store is open
    S key sequence           a send returned
    R key sequence offset    received
    A key sequence           its acknowledgement is on disk
    E text                   somebody was told of an error

Run: python -m tests.durability.sharer DIRECTORY|URL NAME threads|asyncio [send|consume|drain]
SIGTERM: close everything and end. Senders pause a little, so that a round is not made of work alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openmessaging as oms
from openmessaging import blocking
from openmessaging.model.errors import OMSRuntimeException

PAUSE = 0.004
"""Seconds between sends."""
INVISIBLE = 5.0
"""Seconds."""
STOP = threading.Event()
_speaking = threading.Lock()


def say(lines: list[str]) -> None:
    now = time.monotonic_ns()
    data = "".join(f"{line[0]} {now}{line[1:]}\n" for line in lines).encode()
    with _speaking:
        while data:
            data = data[os.write(1, data) :]


def failed(cause: BaseException) -> None:
    say([f"E {type(cause).__name__}: {cause}".replace("\n", " ")])
    STOP.set()


@contextmanager
def suppressed_when_late() -> Iterator[None]:
    """On a machine that is too slow, a lease may expire: that message comes again."""
    try:
        yield
    except OMSRuntimeException as cause:
        if cause.code != 1418:
            raise


def attributes(url: str) -> dict[str, int]:
    return {"segment_bytes": 4 << 20} if url.startswith("oms:embedded:") else {}


def keys(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(3)]


def judged(messages: list, chance: random.Random) -> tuple[list, list, list[str]]:
    """What is acknowledged now, what is not, and lines that say so once it is on disk."""
    acked = [message for message in messages if chance.random() < 0.95]
    refused = [message for message in messages if message not in acked]
    return acked, refused, [f"A {message.message_key} {message.data.decode()}" for message in acked]


def seen(messages: list) -> list[str]:
    return [f"R {message.message_key} {message.data.decode()} {message.offset}" for message in messages]


def send(access_point: blocking.AccessPoint, name: str, chance: random.Random) -> None:
    sequence = 0
    with access_point.create_producer() as producer:
        while not STOP.wait(PAUSE):
            numbers = range(sequence, sequence + chance.choice((1, 1, 1, 5)))
            sequence = numbers.stop
            key = chance.choice(keys(name))
            made = [producer.create_message("queue", b"%d" % number, message_key=key) for number in numbers]
            producer.send(made if len(made) > 1 else made[0])
            say([f"S {key} {number}" for number in numbers])


def consume(access_point: blocking.AccessPoint, chance: random.Random, *, drain: bool) -> None:
    with access_point.create_pull_consumer(
        "queue", group="group", order="key", prefetch=20, invisible_time=INVISIBLE
    ) as consumer:
        while not STOP.is_set():
            messages = consumer.batch_receive(chance.choice((1, 5, 20)), timeout=INVISIBLE + 1 if drain else 0.2)
            if drain and not messages:
                return
            say(seen(messages))
            acked, refused, lines = judged(messages, chance)
            with suppressed_when_late():
                for message in acked:
                    message.ack()
                for message in refused:
                    message.nack(delay=0.01)
                if chance.random() < 0.5:
                    consumer.flush()
                    say(lines)


def threads(url: str, name: str, chance: random.Random, role: str) -> None:
    def guarded(work, *arguments, **options) -> None:
        try:
            work(*arguments, **options)
        except Exception as cause:
            failed(cause)

    with blocking.connect(url, attributes(url)) as access_point:
        say(["O"])
        working = []
        if role != "send":
            drain = {"drain": role == "drain"}
            working.append(threading.Thread(target=guarded, args=(consume, access_point, chance), kwargs=drain))
        if role in ("", "send"):
            working.append(threading.Thread(target=guarded, args=(send, access_point, name, chance)))
        for thread in working:
            thread.start()
        for thread in working:
            while thread.is_alive():
                thread.join(0.1)  # a signal is handled between


async def send_async(access_point: oms.AccessPoint, name: str, chance: random.Random) -> None:
    """Several sends are under way at once, of the same keys too: in the order in which they were made."""
    sequence = 0
    async with access_point.create_producer() as producer:
        while not STOP.is_set():
            await asyncio.sleep(PAUSE)
            burst = []
            for _ in range(chance.choice((1, 1, 4))):
                key = chance.choice(keys(name))
                burst.append((key, sequence, producer.send_async(_message(producer, key, sequence))))
                sequence += 1
            for key, number, future in burst:
                await future
                say([f"S {key} {number}"])


def _message(producer: oms.Producer, key: str, number: int) -> oms.Message:
    return producer.create_message("queue", b"%d" % number, message_key=key)


async def consume_async(access_point: oms.AccessPoint, chance: random.Random) -> None:
    async with access_point.create_pull_consumer(
        "queue", group="group", order="key", prefetch=20, invisible_time=INVISIBLE
    ) as consumer:
        while not STOP.is_set():
            messages = await consumer.batch_receive(chance.choice((1, 5, 20)), timeout=0.2)
            say(seen(messages))
            acked, refused, lines = judged(messages, chance)
            with suppressed_when_late():
                for message in acked:
                    await message.ack()
                for message in refused:
                    await message.nack(delay=0.01)
                if chance.random() < 0.5:
                    await consumer.flush()
                    say(lines)


async def tasks(url: str, name: str, chance: random.Random, role: str) -> None:
    async with oms.connect(url, attributes(url)) as access_point:
        say(["O"])
        work = []
        if role != "send":
            work.append(consume_async(access_point, chance))
        if role != "consume":
            work.append(send_async(access_point, name, chance))
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if outcome is not None:
                failed(outcome)


def main() -> None:
    place, name, face = sys.argv[1:4]
    role = sys.argv[4] if len(sys.argv) > 4 else ""
    logging.getLogger("openmessaging.driver").setLevel(logging.ERROR)  # of acknowledgements that came too late
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    url, chance = place if place.startswith("oms:") else f"oms:embedded://{place}", random.Random(name)
    try:
        if face == "asyncio":
            asyncio.run(tasks(url, name, chance, role))
        else:
            threads(url, name, chance, role)
    except Exception as cause:
        failed(cause)
    sys.exit(0)


if __name__ == "__main__":
    main()
