"""Routes from a queue to others."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "runtime, resource manager: routing"
CAN = "routing"


@case("routing.duplicates", RULE, CAN)
async def duplicates(kit: Kit) -> None:
    """The source keeps its messages, and the target gets duplicates with the same id, key and properties."""
    source, target = kit.queue("source"), kit.queue("target")
    producer = await kit.producer()
    await kit.do("routing", source=source, target=target)
    sent = await producer.send(source, b"both", key="k", properties={"n": 1})
    for queue in (source, target):
        got = await (await kit.pull(queue, kit.group(queue[-6:]))).one()
        equal((got.text, got.id, got.header("messageKey")), ("both", sent["messageId"], "k"), f"in {queue}")
        equal(got.properties.get("n"), 1, "property n")
    await kit.do("deleteRouting", name=f"{source}-to-{target}")


@case("routing.from-now-on", RULE, CAN)
async def from_now_on(kit: Kit) -> None:
    """A route takes what is sent from then on, and nothing after it was deleted."""
    source, target = kit.queue("source"), kit.queue("target")
    producer = await kit.producer()
    await producer.send(source, b"before")
    await kit.do("createRouting", name=kit.queue("route"), source=source, targets=[target])
    await producer.send(source, b"during")
    consumer = await kit.pull(target)
    got = await consumer.one()
    equal(got.text, "during", "body")
    await consumer.ack(got)
    await kit.do("deleteRouting", name=kit.queue("route"))
    await producer.send(source, b"after")
    await consumer.nothing()


@case("routing.operators", "specification 1.0.0, routing: operators", CAN)
async def operators(kit: Kit) -> None:
    """A filter on the way lets through what matches."""
    source, target = kit.queue("source"), kit.queue("target")
    producer = await kit.producer()
    name = kit.queue("route")
    await kit.do("createRouting", name=name, source=source, targets=[target], operators=["filter n > 1"])
    await producer.send_many([message(source, str(n), properties={"n": n}) for n in range(4)])
    equal([each.text for each in await (await kit.pull(target)).take(2)], ["2", "3"], "bodies")
    await kit.do("deleteRouting", name=name)


@case("routing.several-targets", "specification 1.0.0, routing", CAN)
async def several_targets(kit: Kit) -> None:
    """Each of several targets gets every message."""
    source, targets = kit.queue("source"), [kit.queue("one"), kit.queue("two")]
    producer = await kit.producer()
    name = kit.queue("route")
    await kit.do("createRouting", name=name, source=source, targets=targets)
    await producer.send(source, b"all")
    for target in targets:
        equal((await (await kit.pull(target, kit.group(target[-3:]))).one()).text, "all", target)
    await kit.do("deleteRouting", name=name)


@case("routing.chain", "specification 1.0.0, use case 6: a chain", CAN)
async def chain(kit: Kit) -> None:
    """Routes one after the other pass messages on."""
    queues = [kit.queue(str(n)) for n in range(3)]
    producer = await kit.producer()
    for at in range(2):
        await kit.do("createRouting", name=kit.queue(f"r{at}"), source=queues[at], targets=[queues[at + 1]])
    await producer.send(queues[0], b"through")
    equal((await (await kit.pull(queues[2])).one()).text, "through", "body")
    for at in range(2):
        await kit.do("deleteRouting", name=kit.queue(f"r{at}"))


@case("routing.cycle", f"{RULE}; a cycle is refused", CAN)
async def cycle(kit: Kit) -> None:
    """Routes that would form a circle are refused (1418)."""
    one, two = kit.queue("one"), kit.queue("two")
    await kit.do("createRouting", name=kit.queue("there"), source=one, targets=[two])
    async with kit.refused(1418, "OMSRuntimeException", "the way back"):
        await kit.do("createRouting", name=kit.queue("back"), source=two, targets=[one])
    await kit.do("deleteRouting", name=kit.queue("there"))


@case("routing.list", "0.3.1, resource manager: listRoutings", CAN)
async def listed(kit: Kit) -> None:
    """A route is listed, there only once, and gone when deleted."""
    name = kit.queue("route")
    arguments = {"name": name, "source": kit.queue("a"), "targets": [kit.queue("b")]}
    await kit.do("createRouting", **arguments)
    that(f"default://{name}" in await kit.do("listRoutings"), "the route is not listed")
    async with kit.refused(1406, "OMSDestinationException", "a second route of that name"):
        await kit.do("createRouting", **arguments)
    await kit.do("deleteRouting", name=name)
    async with kit.refused(1404, "OMSDestinationException", "a route that was deleted"):
        await kit.do("deleteRouting", name=name)


@case("routing.once", f"{RULE}; no duplicate beyond the one asked for", CAN)
async def once(kit: Kit) -> None:
    """A hundred messages arrive in the target once each, in the order of their key."""
    source, target = kit.queue("source"), kit.queue("target")
    producer = await kit.producer()
    await kit.do("createRouting", name=kit.queue("route"), source=source, targets=[target])
    await producer.send_many([message(source, str(n), key="k") for n in range(100)])
    consumer = await kit.pull(target)
    equal([int(each.text) for each in await consumer.take(100)], list(range(100)), "bodies")
    await consumer.nothing()
    await kit.do("deleteRouting", name=kit.queue("route"))
