"""Messages that expire."""

from __future__ import annotations

import asyncio
import time

from openmessaging.conformance.case import case, equal
from openmessaging.conformance.kit import Kit

RULE = "specification 1.0.0, message extension header: expireTime"
CAN = "expiry"


def _in(seconds: float) -> int:
    return time.time_ns() // 1_000_000 + int(seconds * 1000)


@case("expiry.expires", RULE, CAN)
async def expires(kit: Kit) -> None:
    """A message that nobody got by its expire time never comes."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue)
    await consumer.close()
    await producer.send(queue, b"late", expire_time=_in(0.7))
    await producer.send(queue, b"good")
    await asyncio.sleep(1.2)
    consumer = await kit.pull(queue)
    got = await consumer.one()
    equal(got.text, "good", "body")
    await consumer.ack(got)
    await consumer.nothing()


@case("expiry.in-time", RULE, CAN)
async def in_time(kit: Kit) -> None:
    """A message is delivered before its expire time, with that time."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    when = _in(60)
    await producer.send(queue, expire_time=when)
    equal((await consumer.one()).header("expireTime"), when, "expireTime")


@case("expiry.zero", RULE)
async def zero(kit: Kit) -> None:
    """An expire time of 0 is none."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"for ever", expire_time=0)
    equal((await consumer.one()).text, "for ever", "body")


@case("expiry.before-birth", RULE)
async def before_birth(kit: Kit) -> None:
    """An expire time before the message's birth is none: it is never compared with the clock at arrival."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"for ever", expire_time=1_533_780_830_000)
    equal((await consumer.one()).text, "for ever", "body")


@case("expiry.before-delay", f"{RULE}; the specification's own example", CAN, "delay")
async def before_delay(kit: Kit) -> None:
    """A message that would expire before its delivery time is delivered and never expires."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"for ever", delay_time=800, expire_time=_in(0.3))
    equal((await consumer.one()).text, "for ever", "body")


@case("expiry.retries", RULE, CAN)
async def retries(kit: Kit) -> None:
    """A message that failed and expires before its next delivery does not come again."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, expire_time=_in(1.0))
    await consumer.nack(await consumer.one(), 1.5)
    await consumer.nothing(2.2)


@case("expiry.others-stay", RULE, CAN)
async def others_stay(kit: Kit) -> None:
    """Expired messages between others are passed over."""
    queue = kit.queue()
    producer = await kit.producer()
    for number in range(6):
        await producer.send(queue, str(number), **({"expire_time": _in(0.5)} if number % 2 else {}))
    await asyncio.sleep(1.0)
    consumer = await kit.pull(queue)
    equal(sorted(each.text for each in await consumer.take(3)), ["0", "2", "4"], "bodies")
    await consumer.nothing()
