"""Every consumer gets everything."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal
from openmessaging.conformance.kit import Kit, message

RULE = "specification 1.0.0, use case 3: broadcast"
CAN = "broadcast"


@case("broadcast.all", RULE, CAN)
async def everyone(kit: Kit) -> None:
    """Each of three broadcast consumers gets every message."""
    queue = kit.queue()
    producer = await kit.producer()
    consumers = [await kit.pull(queue, broadcast=True, start="latest") for _ in range(3)]
    for each in consumers:
        await each.receive(0.2)
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    for each in consumers:
        equal(sorted(got.text for got in await each.take(5)), ["0", "1", "2", "3", "4"], "bodies")


@case("broadcast.beside-group", RULE, CAN)
async def beside_group(kit: Kit) -> None:
    """Broadcast consumers take nothing from a group."""
    queue = kit.queue()
    producer = await kit.producer()
    group = await kit.pull(queue)
    caster = await kit.pull(queue, broadcast=True, start="latest")
    await caster.receive(0.2)
    await producer.send(queue, b"both")
    equal(((await group.one()).text, (await caster.one()).text), ("both", "both"), "bodies")


@case("broadcast.ends", RULE, CAN, "admin", "listing")
async def ends(kit: Kit) -> None:
    """What belongs to a broadcast consumer ends with it."""
    queue = await kit.create(kit.queue())
    caster = await kit.pull(queue, broadcast=True)
    await caster.receive(0.1)
    equal(len(await kit.do("listGroups", queue=queue)), 1, "groups while it is there")
    await caster.close()
    equal(await kit.do("listGroups", queue=queue), [], "groups after it")


@case("broadcast.redelivers", RULE, CAN)
async def redelivers(kit: Kit) -> None:
    """What a broadcast consumer gives back comes again to it alone."""
    queue = kit.queue()
    producer = await kit.producer()
    one = await kit.pull(queue, broadcast=True, start="latest")
    two = await kit.pull(queue, broadcast=True, start="latest")
    for each in (one, two):
        await each.receive(0.2)
    await producer.send(queue)
    await one.nack(await one.one())
    equal((await one.one()).count, 2, "delivery count")
    equal((await two.one()).count, 1, "delivery count of the other")
    await two.nothing()
