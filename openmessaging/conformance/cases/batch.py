"""Sending several messages as one."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "runtime, producer: send(list)"


@case("batch.results", RULE)
async def results(kit: Kit) -> None:
    """A batch returns a result per message, in its order, each with an id of its own."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    found = await producer.send_many([message(queue, str(number)) for number in range(50)])
    equal(len({each["messageId"] for each in found}), 50, "different ids")
    by_id = {each.id: each.text for each in await consumer.take(50)}
    equal([by_id.get(each["messageId"]) for each in found], [str(n) for n in range(50)], "bodies by id")


@case("batch.order", RULE)
async def order(kit: Kit) -> None:
    """A batch to a queue of one partition arrives in its order."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send_many([message(queue, str(number)) for number in range(100)])
    equal([int(each.text) for each in await consumer.take(100)], list(range(100)), "order")


@case("batch.empty", RULE)
async def empty(kit: Kit) -> None:
    """An empty batch has no results and sends nothing."""
    equal(await (await kit.producer()).send_many([]), [], "results")


@case("batch.mixed", RULE)
async def mixed(kit: Kit) -> None:
    """Each message of a batch keeps its own key, properties and body."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = [message(queue, str(n), key=f"k{n % 3}", properties={"number": n}) for n in range(12)]
    await producer.send_many(sent)
    got = await consumer.take(12)
    that(
        all(each.properties == {"number": int(each.text)} for each in got)
        and all(each.header("messageKey") == f"k{int(each.text) % 3}" for each in got),
        "a message of the batch came back with another's parts",
    )


@case("batch.bad-member", RULE)
async def bad_member(kit: Kit) -> None:
    """A batch with a message that cannot be accepted is refused, and nothing of it is stored."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    bad = message(queue, b"b", properties={"long": "x" * 100_000})
    async with kit.refused(1411, "OMSMessageFormatException", "a message with too large properties"):
        await producer.send_many([message(queue, b"a"), bad, message(queue, b"c")])
    await consumer.nothing()


@case("batch.several-queues", RULE, "atomic-batch")
async def several_queues(kit: Kit) -> None:
    """A batch may go to several queues."""
    one, two = kit.queue("one"), kit.queue("two")
    producer = await kit.producer()
    await producer.send_many([message(one, b"1"), message(two, b"2"), message(one, b"3")])
    first = await kit.pull(one, group=kit.group("one"))
    second = await kit.pull(two, group=kit.group("two"))
    equal([each.text for each in await first.take(2)], ["1", "3"], "queue one")
    equal([each.text for each in await second.take(1)], ["2"], "queue two")


@case("batch.atomic", f"{RULE}; a batch is stored whole or not at all", "atomic-batch", "admin", "namespaces")
async def atomic(kit: Kit) -> None:
    """A batch over several queues is stored; one of which a queue may not be had is stored nowhere."""
    kit.need_namespaces()
    good = await kit.create(kit.queue("good"))
    producer = await kit.producer()
    consumer = await kit.pull(good)
    await producer.send_many([message(good, b"good"), message(kit.queue("other"), b"good")])
    await consumer.take(1)
    bad = f"nosuchnamespace-{kit.queue('x')}://q"
    async with kit.refused(1405, "OMSDestinationException", "a queue of a missing namespace"):
        await producer.send_many([message(good, b"a"), message(bad, b"b")])
    await consumer.nothing()


@case("batch.large", RULE)
async def large(kit: Kit) -> None:
    """A batch of 2,000 messages arrives whole."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send_many([message(queue, str(number)) for number in range(2000)])
    got = await consumer.take(2000, 20.0)
    equal(len({each.text for each in got}), 2000, "different bodies")
