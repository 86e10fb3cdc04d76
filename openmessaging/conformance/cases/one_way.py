"""Sending without a result."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal
from openmessaging.conformance.kit import Kit, message

RULE = "runtime, producer: sendOneway"


@case("one-way.arrives", RULE, "one-way")
async def arrives(kit: Kit) -> None:
    """One-way messages arrive."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.do("sendOneway", messages=[message(queue, str(n)) for n in range(5)])
    equal(sorted(each.text for each in await consumer.take(5)), ["0", "1", "2", "3", "4"], "bodies")


@case("one-way.never-raises", RULE, "one-way")
async def never_raises(kit: Kit) -> None:
    """No error reaches the caller: not for a bad partition, and not for too large properties."""
    producer = await kit.producer()
    bad = message(kit.queue(), properties={"long": "x" * 100_000})
    await producer.do("sendOneway", messages=[bad, message(kit.queue(), partition=99)])
    await kit.call("flush", service=producer.handle)


@case("one-way.not-started", RULE, "one-way", "lifecycle")
async def not_started(kit: Kit) -> None:
    """Nor on a producer that is not started."""
    producer = await kit.producer(start=False)
    await producer.do("sendOneway", messages=[message(kit.queue())])


@case("one-way.flushed-at-stop", RULE, "one-way", "lifecycle")
async def flushed_at_stop(kit: Kit) -> None:
    """Stopping a producer sends what is under way."""
    queue = kit.queue()
    producer = await kit.producer(linger=0.5)
    await producer.do("sendOneway", messages=[message(queue, str(n)) for n in range(20)])
    await kit.call("stop", service=producer.handle)
    equal(len(await (await kit.pull(queue)).take(20)), 20, "messages")
