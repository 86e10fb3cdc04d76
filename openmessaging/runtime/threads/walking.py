# Generated from openmessaging/runtime/aio/walking.py by scripts/unasync.py: change that file instead.
"""Going through the messages of a partition from the runtime's side, forwards and backwards, without a group."""

from __future__ import annotations

from collections.abc import Iterator

from openmessaging.model.message import Message
from openmessaging.runtime.positions import READ_MESSAGES, end_of, messages_of
from openmessaging.runtime.threads.primitives import Driver, sleep

_FEW = READ_MESSAGES // 10
"""A batch of fewer messages is read together with what lies before it: one by one, reading costs more than decoding."""


def between(driver: Driver, queue: str, partition: int, offset: int, end: int) -> Iterator[list[Message]]:
    """Messages from an offset to another (exclusive), some at a time."""
    while offset < end:
        deliveries = driver.read(queue, partition, offset, min(end - offset, READ_MESSAGES))
        if not deliveries:
            return
        offset = end_of(deliveries)
        found = messages_of(deliveries)
        if offset > end:  # of a compacted queue they are the next there are
            found = [message for message in found if (message.offset or 0) < end]
        yield found
        sleep(0)


def before(driver: Driver, queue: str, partition: int, end: int) -> Iterator[list[Message]]:
    """Messages before an offset, some at a time, the newest first."""
    while (delivery := driver.read_before(queue, partition, end)) is not None:
        found = messages_of([delivery])
        end = delivery.base_offset + delivery.first
        if len(found) < _FEW:
            start = max(end - READ_MESSAGES, 0)
            earlier: list[Message] = []
            for messages in between(driver, queue, partition, start, end):
                earlier += messages
            found, end = earlier + found, start
        found.reverse()
        yield found
        sleep(0)
