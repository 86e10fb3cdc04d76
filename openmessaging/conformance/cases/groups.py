"""Consumer groups: sharing, starting places, moving, rebalancing."""

from __future__ import annotations

import time

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "specification 1.0.0, use case 2; runtime, consumers: CONSUMER_ID"
SEEK = "features: replay, seek"


@case("groups.share", RULE)
async def share(kit: Kit) -> None:
    """Two consumers of a group share its messages: each comes to one of them."""
    queue = kit.queue()
    producer = await kit.producer()
    one, two = await kit.pull(queue, prefetch=1), await kit.pull(queue, prefetch=1)
    await producer.send_many([message(queue, str(n)) for n in range(40)])
    got: list[str] = []
    for _ in range(400):
        if len(got) >= 40:
            break
        for each in (one, two):
            found = await each.receive(0.05)
            if found is not None:
                await each.ack(found)
                got.append(found.text)
    equal(sorted(map(int, got)), list(range(40)), "bodies")


@case("groups.two", RULE)
async def two_groups(kit: Kit) -> None:
    """Two groups get all messages each."""
    queue = kit.queue()
    producer = await kit.producer()
    one, two = await kit.pull(queue, kit.group("a")), await kit.pull(queue, kit.group("b"))
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    for each in (one, two):
        equal(sorted(got.text for got in await each.take(5)), ["0", "1", "2", "3", "4"], "bodies")


@case("groups.start-latest", RULE)
async def start_latest(kit: Kit) -> None:
    """A new group that starts at the latest gets what is sent from then on."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send(queue, b"old")
    consumer = await kit.pull(queue, start="latest")
    await consumer.receive(0.3)
    await producer.send(queue, b"new")
    equal((await consumer.one()).text, "new", "body")


@case("groups.start-once", RULE)
async def start_once(kit: Kit) -> None:
    """Where a group starts counts for a new group alone: an old one goes on where it is."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue)
    await producer.send(queue, b"1")
    await consumer.ack(await consumer.one())
    await consumer.close()
    await producer.send(queue, b"2")
    equal((await (await kit.pull(queue, start="latest")).one()).text, "2", "body")


@case("groups.crowd", RULE)
async def crowd(kit: Kit) -> None:
    """More consumers than partitions work: each message comes once to one of five."""
    queue = kit.queue()
    producer = await kit.producer()
    consumers = [await kit.pull(queue, prefetch=1) for _ in range(5)]
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    got = [await each.one(5.0) for each in consumers]
    equal(sorted(each.text for each in got), ["0", "1", "2", "3", "4"], "bodies")


@case("groups.leaves", RULE)
async def leaves(kit: Kit) -> None:
    """When a consumer closes, the rest of its group goes on with all that is left."""
    queue = kit.queue()
    producer = await kit.producer()
    one, two = await kit.pull(queue), await kit.pull(queue)
    await producer.send_many([message(queue, str(n)) for n in range(20)])
    first = await one.one()
    await one.ack(first)
    await kit.call("flush", service=one.handle)
    await one.close()
    got = await two.take(19)
    equal(len({first.text, *(each.text for each in got)}), 20, "different messages")


@case("groups.joins", RULE)
async def joins(kit: Kit) -> None:
    """A consumer that joins later gets its share of what is sent from then on."""
    queue = kit.queue()
    producer = await kit.producer()
    one = await kit.pull(queue, prefetch=1)
    await producer.send(queue, b"held")
    held = await one.one()
    two = await kit.pull(queue, prefetch=1)
    await producer.send(queue, b"for the other")
    equal((await two.one()).text, "for the other", "body")
    await one.ack(held)


@case("groups.partitions", RULE, "admin")
async def partitions(kit: Kit) -> None:
    """A consumer alone gets all partitions."""
    queue = await kit.create(kit.queue(), 4)
    producer, consumer = await kit.producer(), await kit.pull(queue)
    for number in range(4):
        await producer.send(queue, str(number), partition=number)
    equal(sorted(each.text for each in await consumer.take(4)), ["0", "1", "2", "3"], "bodies")


@case("groups.lag", "features: lag", "admin")
async def lag(kit: Kit) -> None:
    """A group's lag is what it has not settled."""
    queue = await kit.create(kit.queue())
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    await consumer.take(2)
    await kit.call("flush", service=consumer.handle)
    found = await kit.do("describeGroup", queue=queue, group=kit.group())
    equal(found["lag"], 3, "lag")


@case("groups.list", "features: groups", "admin", "listing")
async def list_groups(kit: Kit) -> None:
    """The groups of a queue are listed, and a deleted one is not there any more."""
    queue = await kit.create(kit.queue())
    consumer = await kit.pull(queue)
    await consumer.receive(0.1)
    equal(await kit.do("listGroups", queue=queue), [kit.group()], "groups")
    await consumer.close()
    await kit.do("deleteGroup", queue=queue, group=kit.group())
    equal(await kit.do("listGroups", queue=queue), [], "groups")
    async with kit.refused(1404, "OMSDestinationException", "a group that was deleted"):
        await kit.do("describeGroup", queue=queue, group=kit.group())


@case("groups.seek-earliest", SEEK, "seek")
async def seek_earliest(kit: Kit) -> None:
    """A group that is moved to the earliest gets everything again."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    other = await kit.pull(queue, kit.group("holder"))
    await other.receive(0.05)
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    await consumer.take(5)
    await kit.call("flush", service=consumer.handle)
    await kit.do("seekGroup", queue=queue, group=kit.group(), to="earliest")
    equal(sorted(each.text for each in await consumer.take(5)), ["0", "1", "2", "3", "4"], "bodies")


@case("groups.seek-latest", SEEK, "seek")
async def seek_latest(kit: Kit) -> None:
    """A group that is moved to the latest passes over what it did not get."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await consumer.receive(0.05)
    await consumer.close()
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    await kit.do("seekGroup", queue=queue, group=kit.group(), to="latest")
    await producer.send(queue, b"new")
    equal((await (await kit.pull(queue)).one()).text, "new", "body")


@case("groups.seek-time", SEEK, "seek")
async def seek_time(kit: Kit) -> None:
    """A group that is moved to a time begins with the first message stored then or later."""
    import asyncio

    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"before")
    await asyncio.sleep(0.3)
    now = time.time_ns() // 1_000_000
    await asyncio.sleep(0.3)
    await producer.send(queue, b"after")
    await consumer.take(2)
    await kit.call("flush", service=consumer.handle)
    await kit.do("seekGroup", queue=queue, group=kit.group(), to=f"ts:{now}")
    equal((await consumer.one()).text, "after", "body")


@case("groups.peek", "features: look inside", "peek")
async def peek(kit: Kit) -> None:
    """Peeking shows what the group gets next, and takes nothing."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await consumer.receive(0.05)
    await consumer.close()
    await producer.send_many([message(queue, str(n)) for n in range(3)])
    shown = await kit.do("peek", queue=queue, group=kit.group())
    equal(len(shown), 3, "messages shown")
    that(len(await (await kit.pull(queue)).take(3)) == 3, "peeking took something")
