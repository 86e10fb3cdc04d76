"""A process that sends and consumes until it is killed; what it has seen goes to stdout, a line at a time.

    T key sequence        about to send
    S key sequence        the send returned: it must never be lost
    R key sequence        received
    A key sequence        its acknowledgement is on disk: it must never come again

Run: python worker.py DIRECTORY SEED SENDERS FIRST_SEQUENCE [drain]
"""

from __future__ import annotations

import os
import random
import sys
import threading

from openmessaging import blocking

SPEAKING = threading.Lock()


def say(lines: list[str]) -> None:
    data = "".join(lines).encode()
    with SPEAKING:  # a pipe takes a write in one piece only while it is small
        while data:
            data = data[os.write(1, data) :]


def send(access_point: blocking.AccessPoint, name: int, seed: int, first: int) -> None:
    rng = random.Random(seed * 1000 + name)
    keys = [f"{name}-{number}" for number in range(4)]
    sequence = first
    with access_point.create_producer() as producer:
        while True:
            count = rng.choice((1, 1, 1, 2, 7))
            key = rng.choice(keys)
            numbers = range(sequence, sequence + count)
            sequence += count
            body = bytes(rng.choice((0, 30, 400)))
            messages = [
                producer.create_message("queue", b"%d %s" % (number, body), message_key=key) for number in numbers
            ]
            say([f"T {key} {number}\n" for number in numbers])
            if count == 1:
                producer.send(messages[0])
            else:
                producer.send(messages)
            say([f"S {key} {number}\n" for number in numbers])


def consume(access_point: blocking.AccessPoint, seed: int, *, drain: bool) -> None:
    rng = random.Random(seed)
    with access_point.create_pull_consumer("queue", group="group", order="key", prefetch=50) as consumer:
        while True:
            messages = consumer.batch_receive(rng.choice((1, 10, 100)), timeout=0.3 if drain else 1)
            if drain and not messages:
                return
            seen = [f"{message.message_key} {message.data.split()[0].decode()}\n" for message in messages]
            say([f"R {line}" for line in seen])
            acknowledged = [number for number in range(len(messages)) if drain or rng.random() < 0.9]
            for number in acknowledged:
                messages[number].ack()
            for number in set(range(len(messages))) - set(acknowledged):
                messages[number].nack(delay=0.01)
            if rng.random() < 0.5 or drain:
                consumer.flush()
                say([f"A {seen[number]}" for number in acknowledged])


def main() -> None:
    directory, seed, senders, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    drain = len(sys.argv) > 5
    with blocking.connect(f"oms:embedded://{directory}", {"segment_bytes": 1 << 20}) as access_point:
        say(["O\n"])
        if not drain:
            for name in range(senders):
                threading.Thread(target=send, args=(access_point, name, seed, first), daemon=True).start()
        consume(access_point, seed, drain=drain)


if __name__ == "__main__":
    main()
