"""Priorities: best effort, never strict order; what must hold is a tendency."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit

RULE = "specification 1.0.0, message extension header: priority"
CAN = "priority"


@case("priority.first", RULE, CAN)
async def first(kit: Kit) -> None:
    """Of a backlog, the high priorities come before the low ones, on the whole."""
    queue = kit.queue()
    producer = await kit.producer()
    for number in range(20):
        await producer.send(queue, str(number), priority=1 if number < 10 else 9)
    got = await (await kit.pull(queue)).take(20)
    early = [each for each in got[:10] if each.header("priority") == 9]
    that(len(early) >= 7, f"{len(early)} of the first ten have the high priority")


@case("priority.kept", RULE, CAN)
async def kept(kit: Kit) -> None:
    """A message keeps its priority."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    for number in (1, 10, 7):
        await producer.send(queue, str(number), priority=number)
    for each in await consumer.take(3):
        equal(each.header("priority"), int(each.text), "priority")


@case("priority.default", RULE, CAN)
async def default(kit: Kit) -> None:
    """A message without a priority comes between low and high ones."""
    queue = kit.queue()
    producer = await kit.producer()
    for body, priority in (("low", 1), ("none", None), ("high", 10)):
        await producer.send(queue, body, **({} if priority is None else {"priority": priority}))
    got = [each.text for each in await (await kit.pull(queue)).take(3)]
    equal(got, ["high", "none", "low"], "order")


@case("priority.no-starving", RULE, CAN)
async def no_starving(kit: Kit) -> None:
    """Low priorities do not wait for ever while high ones keep coming."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send(queue, b"low", priority=1)
    from openmessaging.conformance.kit import message

    await producer.send_many([message(queue, b"high", priority=10) for _ in range(300)])
    consumer = await kit.pull(queue, prefetch=1)
    for _ in range(300):
        got = await consumer.one()
        await consumer.ack(got)
        if got.text == "low":
            return
        await producer.send(queue, b"high", priority=10)
    that(False, "the low one did not come among 300")
