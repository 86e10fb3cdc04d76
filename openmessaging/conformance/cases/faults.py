"""Behaviour under faults: bounded histories that a checker judges."""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.conformance.case import Skip, case, equal, fail, that
from openmessaging.conformance.history import History
from openmessaging.conformance.kit import Got, Kit, message
from openmessaging.conformance.protocol import Refusal

LOSS = "features: durable ack, reconnect; nothing acknowledged is lost"
MESSAGES = 200
FAST = {"initial": 0.2, "factor": 1.0, "jitter": 0.0, "maxDelivery": 100}
LEASED: dict[str, Any] = {"invisible_time": 3.0, "backoff": FAST}


@case("faults.none", "features: a quiet run", seconds=60)
async def none(kit: Kit) -> None:
    """Without a fault: nothing lost, nothing doubled, order by key."""
    queue = kit.queue()
    history = History(kit, queue, MESSAGES)
    await history.run(await kit.producer(), [await kit.pull(queue, **LEASED)])


@case("faults.connection-cut", LOSS, "access-points", alone=True, seconds=90)
async def connection_cut(kit: Kit) -> None:
    """The connections are cut three times in the middle: nothing acknowledged is lost, nothing done comes again."""
    queue = kit.queue()
    point, proxy = await kit.proxied()
    history = History(kit, queue, MESSAGES)

    async def trouble() -> None:
        for part in (1, 2, 3):
            await history.until(MESSAGES * part // 4)
            proxy.cut()

    producer, consumer = await kit.producer(point), await kit.pull(queue, point=point, **LEASED)
    await history.run(producer, [consumer], trouble, ordered=False)


@case("faults.connection-hangs", LOSS, "access-points", alone=True, seconds=90)
async def connection_hangs(kit: Kit) -> None:
    """Nothing comes through for a second, then all does: nothing acknowledged is lost."""
    queue = kit.queue()
    point, proxy = await kit.proxied()
    history = History(kit, queue, MESSAGES)

    async def trouble() -> None:
        await history.until(MESSAGES // 3)
        proxy.hold()
        await asyncio.sleep(1.0)
        proxy.flow()

    producer, consumer = await kit.producer(point), await kit.pull(queue, point=point, **LEASED)
    await history.run(producer, [consumer], trouble, ordered=False)


@case("faults.server-restart", LOSS, alone=True, seconds=150)
async def server_restart(kit: Kit) -> None:
    """The server is killed in the middle and started again: nothing acknowledged is lost, all goes on."""
    if not kit.system.restarts:
        raise Skip("the kit does not run this system's server")
    queue = kit.queue()
    point = await kit.connect()
    history = History(kit, queue, MESSAGES)

    async def trouble() -> None:
        await history.until(MESSAGES // 3)
        await kit.system.restart()

    producer, consumer = await kit.producer(point), await kit.pull(queue, point=point, **LEASED)
    await history.run(producer, [consumer], trouble, ordered=False)


@case("faults.restart-keeps", LOSS, alone=True, seconds=150)
async def restart_keeps(kit: Kit) -> None:
    """What was sent and settled before the server was killed is as it was."""
    if not kit.system.restarts:
        raise Skip("the kit does not run this system's server")
    queue = kit.queue()
    point = await kit.connect()
    producer, consumer = await kit.producer(point), await kit.pull(queue, point=point, **LEASED)
    await producer.send_many([message(queue, str(n)) for n in range(20)])
    done = {each.text for each in await consumer.take(10)}
    await kit.call("flush", service=consumer.handle)
    await consumer.close()
    await kit.system.restart()
    consumer = await kit.pull(queue, point=await kit.connect(), **LEASED)
    got = await consumer.take(10, 30.0)
    equal(sorted(map(int, done | {each.text for each in got})), list(range(20)), "messages")
    that(not done & {each.text for each in got}, "what was done came again")


@case("faults.consumer-killed", LOSS, "lease", alone=True, seconds=90)
async def consumer_killed(kit: Kit) -> None:
    """The process of a consumer is killed with messages in its hands: the group's other consumer gets them all."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(40)])
    consumer = await kit.pull(queue, **LEASED)
    await consumer.receive(0.01)
    async with kit.child() as child:
        point = (await child.perform("connect", {}))["point"]
        arguments = {"point": point, "queues": [queue], "group": kit.group(), "invisibleTime": 3.0}
        other = await child.perform("createPullConsumer", arguments)
        await producer.send_many([message(queue, str(n)) for n in range(40, 60)])
        held = await child.perform("receive", {"consumer": other, "maxMessages": 10, "timeout": 5.0})
        child.kill()
        seen: set[int] = set()
        while len(seen) < 60:
            got = await consumer.batch(60, 20.0)
            that(got, f"{len(seen)} of 60 messages came; the killed consumer held {len(held)}")
            seen |= {int(each.text) for each in got}
            await consumer.ack(*got)


@case("faults.producer-killed", LOSS, alone=True, seconds=90)
async def producer_killed(kit: Kit) -> None:
    """The process of a producer is killed while it sends: what it was told is stored comes."""
    queue = kit.queue()
    acknowledged: set[str] = set()
    enough = asyncio.Event()
    async with kit.child() as child:
        point = (await child.perform("connect", {}))["point"]
        producer = await child.perform("createProducer", {"point": point})

        async def send(number: int) -> None:
            await child.perform("send", {"producer": producer, "message": message(queue, str(number))})
            acknowledged.add(str(number))
            if len(acknowledged) == 60:
                enough.set()

        sends = [asyncio.ensure_future(send(number)) for number in range(300)]
        await enough.wait()
        child.kill()
        await asyncio.gather(*sends, return_exceptions=True)
    consumer = await kit.pull(queue)
    seen: set[str] = set()
    while not acknowledged <= seen:
        got = await consumer.batch(300, 5.0)
        that(got, f"{len(acknowledged - seen)} of {len(acknowledged)} acknowledged messages did not come")
        seen |= {each.text for each in got}
        await consumer.ack(*got)


@case("faults.settled-then-killed", LOSS, alone=True, seconds=90)
async def settled_then_killed(kit: Kit) -> None:
    """What a process acknowledged and flushed before it was killed does not come again."""
    queue = kit.queue()
    await (await kit.producer()).send_many([message(queue, str(n)) for n in range(20)])
    done: set[str] = set()
    async with kit.child() as child:
        point = (await child.perform("connect", {}))["point"]
        arguments = {"point": point, "queues": [queue], "group": kit.group(), "invisibleTime": 3.0}
        consumer = await child.perform("createPullConsumer", arguments)
        while len(done) < 10:
            some = await child.perform("receive", {"consumer": consumer, "maxMessages": 10 - len(done), "timeout": 5.0})
            await child.perform("ack", {"consumer": consumer, "receipts": [each["receipt"] for each in some]})
            done |= {Got(each["message"]).text for each in some}
        await child.perform("flush", {"service": consumer})
        child.kill()
    other = await kit.pull(queue, **LEASED)
    got = await other.take(10, 30.0)
    that(not done & {each.text for each in got}, "what was done came again")
    await other.nothing(1.0)


@case("faults.slow-consumer", "features: bounded memory, fairness", seconds=60)
async def slow_consumer(kit: Kit) -> None:
    """A consumer that stands still holds up neither senders nor another consumer of its group."""
    queue = kit.queue()
    producer = await kit.producer()
    slow = await kit.pull(queue, prefetch=1, invisible_time=20.0)
    await producer.send(queue, b"held")
    await slow.one()
    quick = await kit.pull(queue, prefetch=1, invisible_time=20.0)
    await producer.send_many([message(queue, str(n)) for n in range(100)])
    equal(len({each.text for each in await quick.take(100, 15.0)}), 100, "messages of the quick one")


@case("faults.slow-listener", "features: rebalance, lease renewal", "push", seconds=60)
async def slow_listener(kit: Kit) -> None:
    """A listener that stands still does not keep another group from its messages."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"hold": True}, group=kit.group("slow"))
    quick = await kit.pull(queue, kit.group("quick"))
    await producer.send_many([message(queue, str(n)) for n in range(50)])
    await push.messages(1)
    equal(len(await quick.take(50)), 50, "messages of the quick group")
    await kit.call("letGo", listener=push.listener)


@case("faults.two-consumers", LOSS, seconds=60)
async def two_consumers(kit: Kit) -> None:
    """Two consumers of a group, without a fault: nothing lost, nothing doubled."""
    queue = kit.queue()
    history = History(kit, queue, MESSAGES)
    consumers = [await kit.pull(queue, prefetch=5, **LEASED) for _ in range(2)]
    await history.run(await kit.producer(), consumers, ordered=False)


@case("faults.nothing-hangs", "features: nothing hangs", "access-points", alone=True, seconds=60)
async def nothing_hangs(kit: Kit) -> None:
    """While no connection stands, a send fails in bounded time, with a code that says so."""
    queue = kit.queue()
    point, proxy = await kit.proxied(OPERATION_TIMEOUT=3000)
    producer = await kit.producer(point)
    await producer.send(queue)
    proxy.refuse()
    try:
        await asyncio.wait_for(producer.send(queue), 40)
    except Refusal as refusal:
        that(refusal.code in (1410, 1502, 1503, 1504), f"its code is {refusal.code}: {refusal.reason}")
        return
    except TimeoutError:
        fail("a send with a timeout of 3 s hangs for 40 s")
    fail("a send without a connection succeeded")
