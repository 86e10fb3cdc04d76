"""What differs between two queues: messages that are missing, that are more, that are not the same, and their order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.mirror.taking import Taken, after, base_of, taken
from openmessaging.model.headers import DEFAULT_PRIORITY
from openmessaging.model.lacking import lacking
from openmessaging.model.spi import Capability, Driver

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

SHOWN = 10
"""Messages that are named, of each kind."""
_MESSAGES = 1_000


class Difference(msgspec.Struct):
    """How a queue in one system is unlike the same queue in another."""

    queue: str
    source: int
    """Messages there are."""
    target: int
    missing: int = 0
    """Messages of the source that the target has not."""
    extra: int = 0
    """Messages of the target that the source has not."""
    repeated: int = 0
    """Copies beyond the first one of a message, in the target."""
    changed: int = 0
    """Messages whose body, key, properties or headers are not the same."""
    reordered: int = 0
    """Keys, and partitions of messages without a key, whose messages of one priority come in another order."""
    examples: dict[str, list[str]] = {}
    """Some ids of the messages, and the keys, by these names."""

    @property
    def is_none(self) -> bool:
        """Whether they are the same."""
        return not (self.missing or self.extra or self.repeated or self.changed or self.reordered)


class _Contents:
    """What a queue holds: ids with a digest of what the message is, and ids in the order of each key."""

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}
        self.orders: dict[str, list[str]] = {}
        self.count = 0

    def add(self, message: Taken) -> None:
        self.count += 1
        if message.message_id in self.digests:
            return
        self.digests[message.message_id] = _digest(message)
        key = message.record.message_key
        line = f"partition {message.partition}" if key is None else f"key {key}"
        priority = (message.record.headers or {}).get("priority", DEFAULT_PRIORITY)
        if priority != DEFAULT_PRIORITY:
            line += f", priority {priority}"  # these overtake the others
        self.orders.setdefault(line, []).append(message.message_id)


async def compare(
    source: AccessPoint, target: AccessPoint, queue: str, progress: Callable[[int], object] = lambda _: None
) -> Difference:
    """Read a queue on both sides and compare. Takes about 300 bytes of memory per message.

    Raises OMSDestinationException 1404 where a side has no such queue, OMSUnsupportException for a system that cannot
    be read without consuming.
    """
    ours = await _contents(await source.get_driver(), source.full(queue), progress)
    theirs = await _contents(await target.get_driver(), target.full(queue), progress)
    missing = [each for each in ours.digests if each not in theirs.digests]
    extra = [each for each in theirs.digests if each not in ours.digests]
    changed = [each for each, digest in ours.digests.items() if theirs.digests.get(each, digest) != digest]
    reordered = _reordered(ours, theirs)
    found = Difference(source.full(queue), ours.count, theirs.count)
    found.repeated = theirs.count - len(theirs.digests)
    lists = {"missing": missing, "extra": extra, "changed": changed, "reordered": reordered}
    for name, each in lists.items():
        setattr(found, name, len(each))
    found.examples = {name: each[:SHOWN] for name, each in lists.items() if each}
    return found


def _reordered(ours: _Contents, theirs: _Contents) -> list[str]:
    """Keys whose messages, as far as both have them, are in another order; partitions only where both have as many."""
    found = []
    for line, ids in ours.orders.items():
        other = theirs.orders.get(line)
        if other is None:
            continue
        both = set(ids).intersection(other)
        if [each for each in ids if each in both] != [each for each in other if each in both]:
            found.append(line)
    return found


async def _contents(driver: Driver, queue: str, progress: Callable[[int], object]) -> _Contents:
    if Capability.BROWSE not in driver.capabilities:
        raise lacking(Capability.BROWSE, "diff")
    contents = _Contents()
    info = await driver.describe_queue(queue)
    for number, (position, end) in enumerate(info.offsets):
        while position < end:
            deliveries = await driver.read(queue, number, position, _MESSAGES)
            if not deliveries:
                break
            messages = taken(deliveries, base_of(info, number))
            for each in messages:
                contents.add(each)
            position = after(deliveries, messages)
            progress(len(messages))
    return contents


def _digest(message: Taken) -> bytes:
    record = message.record
    parts: list[Any] = [
        record.data,
        record.message_key,
        sorted((name, type(value).__name__, value) for name, value in (record.properties or {}).items()),
        sorted((record.headers or {}).items()),
    ]
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=8).digest()
