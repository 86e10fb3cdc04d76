"""Delivery later, cancelling, schedules."""

from __future__ import annotations

import asyncio
import time

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "specification 1.0.0, message extension header: delayTime"
CAN = "delay"
BACK = "recall"


@case("delay.later", RULE, CAN)
async def later(kit: Kit) -> None:
    """A message with a delay comes after it, not before, and not much later."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    began = time.time()
    await producer.send(queue, b"later", delay_time=1500)
    got = await consumer.one()
    took = time.time() - began
    equal(got.text, "later", "body")
    that(1.45 <= took < 5.0, f"it came after {took:.2f} s instead of 1.5")


@case("delay.others-first", RULE, CAN)
async def others_first(kit: Kit) -> None:
    """A delayed message does not hold up those behind it."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"later", delay_time=1500)
    await producer.send(queue, b"now")
    equal([(await consumer.one()).text for _ in range(2)], ["now", "later"], "order")


@case("delay.by-time", RULE, CAN)
async def by_time(kit: Kit) -> None:
    """Delayed messages come in the order of their times, not of their sending."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    delays = {"third": 3000, "first": 1000, "second": 2000}
    for name, delay in delays.items():
        await producer.send(queue, name, delay_time=delay)
    got = [await consumer.one() for _ in delays]
    due = [each.header("bornTimestamp") + delays[each.text] for each in got]
    that(due == sorted(due), f"order {[each.text for each in got]}, due at {due}")


@case("delay.zero", RULE)
async def zero(kit: Kit) -> None:
    """A delay of 0 is none."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"now", delay_time=0)
    equal((await consumer.one(5.0)).text, "now", "body")


@case("delay.once", RULE, CAN)
async def once(kit: Kit) -> None:
    """A delayed message comes once."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, delay_time=500)
    await consumer.ack(await consumer.one())
    await consumer.nothing(1.0)


@case("delay.batch", RULE, CAN, "atomic-batch")
async def batch(kit: Kit) -> None:
    """In a batch each message has its own delay."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send_many([message(queue, b"later", delay_time=1000), message(queue, b"now")])
    equal([(await consumer.one()).text for _ in range(2)], ["now", "later"], "order")


@case("delay.parts-kept", RULE, CAN)
async def parts_kept(kit: Kit) -> None:
    """A delayed message keeps its id, key and properties."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = await producer.send(queue, key="k", properties={"n": 7}, delay_time=300)
    got = await consumer.one()
    equal(
        (got.id, got.header("messageKey"), got.properties, got.count),
        (sent["messageId"], "k", {"n": 7}, 1),
        "id, key, properties, delivery count",
    )


@case("delay.cancel", "features: cancel delayed", CAN, BACK)
async def cancel(kit: Kit) -> None:
    """A delayed message that was cancelled never comes; cancelling again says that it is too late."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = await producer.send(queue, delay_time=800)
    equal(await producer.do("cancelDelayed", queue=queue, message_id=sent["messageId"]), True, "cancelled")
    equal(await producer.do("cancelDelayed", queue=queue, message_id=sent["messageId"]), False, "cancelled again")
    await consumer.nothing(1.5)


@case("delay.cancel-too-late", "features: cancel delayed", CAN, BACK)
async def cancel_too_late(kit: Kit) -> None:
    """Cancelling what was delivered says that it is too late."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = await producer.send(queue, delay_time=200)
    await consumer.one()
    equal(await producer.do("cancelDelayed", queue=queue, message_id=sent["messageId"]), False, "cancelled")


@case("delay.reschedule", "features: delay", CAN, BACK)
async def reschedule(kit: Kit) -> None:
    """A delayed message that was rescheduled comes at its new time."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = await producer.send(queue, delay_time=3_600_000)
    done = await producer.do("reschedule", queue=queue, message_id=sent["messageId"], delay=0.3)
    equal(done, True, "rescheduled")
    equal((await consumer.one()).id, sent["messageId"], "id")


@case("delay.list", "features: delay", CAN, BACK)
async def listed(kit: Kit) -> None:
    """Messages that are not due are listed."""
    queue = kit.queue()
    producer = await kit.producer()
    sent = await producer.send(queue, delay_time=3_600_000)
    equal(await kit.do("listDelayed", queue=queue), [sent["messageId"]], "listed ids")


@case("delay.schedule", "0.3.1, SCHEDULE_EXPRESSION; features: cron", "schedule")
async def schedule(kit: Kit) -> None:
    """A schedule sends by itself, as often as it was told."""
    queue, name = kit.queue(), kit.queue("tick")
    consumer = await kit.pull(queue)
    await kit.do("createSchedule", name=name, queue=queue, data="dGljaw==", every=0.3, count=3)
    got = await consumer.take(3)
    equal([each.text for each in got], ["tick"] * 3, "bodies")
    await consumer.nothing(0.8)
    await kit.do("deleteSchedule", name=name)


@case("delay.schedule-pause", "0.3.1, SCHEDULE_EXPRESSION; features: cron", "schedule")
async def schedule_pause(kit: Kit) -> None:
    """A paused schedule sends nothing; a deleted one is not there."""
    queue, name = kit.queue(), kit.queue("tick")
    consumer = await kit.pull(queue)
    await kit.do("createSchedule", name=name, queue=queue, data="dGljaw==", every=0.3)
    await consumer.ack(await consumer.one())
    await kit.do("pauseSchedule", name=name)
    while await consumer.receive(0.1):
        pass
    await asyncio.sleep(0.5)
    await consumer.nothing(0.3)
    await kit.do("deleteSchedule", name=name)
    that(name not in await kit.do("listSchedules"), "it is still listed")
