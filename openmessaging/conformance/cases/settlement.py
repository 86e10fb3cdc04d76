"""Acknowledging, giving back, leases, redelivery, dead letters."""

from __future__ import annotations

import asyncio
import time

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Got, Kit, message

ACK = "runtime, consumers: ack"
LEASE = "runtime, consumers: unacknowledged messages may be redelivered"
NACK = "2.x, ReconsumeLater; features: retry, backoff"
DEAD = "features: dead-letter queue"
FAST = {"initial": 0.05, "factor": 1.0, "jitter": 0.0, "maxDelivery": 3}


@case("settlement.ack", ACK)
async def ack(kit: Kit) -> None:
    """What was acknowledged is not delivered again, also not after the invisible time."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.0)
    await producer.send(queue)
    await consumer.ack(await consumer.one())
    await consumer.nothing(1.6)


@case("settlement.ack-lasts", ACK)
async def ack_lasts(kit: Kit) -> None:
    """What was acknowledged and flushed does not come to the group's next consumer."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=2.0)
    await producer.send(queue, b"done")
    await producer.send(queue, b"open")
    for _ in range(2):
        got = await consumer.one()
        if got.text == "done":
            await consumer.ack(got)
    await kit.call("flush", service=consumer.handle)
    await consumer.close()
    following = await kit.pull(queue, invisible_time=2.0)
    got = await following.one()
    equal(got.text, "open", "body")


@case("settlement.ack-twice", ACK)
async def ack_twice(kit: Kit) -> None:
    """Acknowledging twice is no error."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    got = await consumer.one()
    await consumer.ack(got)
    await consumer.ack(got)


@case("settlement.ack-out-of-order", ACK)
async def ack_out_of_order(kit: Kit) -> None:
    """Messages may be acknowledged in any order; what is left out comes again, and nothing else."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.5, backoff=FAST)
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    got = {each.text: each for each in await consumer.take(5, ack=False)}
    await consumer.ack(got["4"], got["1"])
    await consumer.ack(got["0"], got["3"])
    again = await consumer.one()
    equal((again.text, again.count), ("2", 2), "what came again, and its delivery count")
    await consumer.ack(again)
    await consumer.nothing()


@case("settlement.ack-by-text", "runtime, message receipt")
async def ack_by_text(kit: Kit) -> None:
    """A receipt's text is enough to acknowledge."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.0)
    await producer.send(queue)
    await consumer.ack(await consumer.one(), as_text=True)
    await consumer.nothing(1.6)


@case("settlement.bad-receipt", "runtime, message receipt")
async def bad_receipt(kit: Kit) -> None:
    """A text that is no receipt is refused (1418)."""
    consumer = await kit.pull(kit.queue())
    async with kit.refused(1418, "OMSRuntimeException", "a receipt that is none"):
        await consumer.do("ack", receipts=["no receipt"])


@case("settlement.foreign-receipt", "runtime, message receipt")
async def foreign_receipt(kit: Kit) -> None:
    """A receipt of a queue that the consumer is not bound to is refused (1418)."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    got = await consumer.one()
    other = await kit.pull(kit.queue("other"), group=kit.group("other"))
    async with kit.refused(1418, "OMSRuntimeException", "another consumer's receipt"):
        await other.ack(got, as_text=True)


@case("settlement.lease-expires", LEASE, "lease")
async def lease_expires(kit: Kit) -> None:
    """A message that nobody settles comes again after its invisible time, not before, and counts."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.0, backoff=FAST)
    sent = await producer.send(queue)
    first = await consumer.one()
    began = time.monotonic()
    again = await consumer.one()
    took = time.monotonic() - began
    equal((first.count, again.count), (1, 2), "delivery counts")
    equal(again.id, sent["messageId"], "message id")
    that(took > 0.5, f"it came again after {took:.2f} s")


@case("settlement.ack-too-late", LEASE, "lease")
async def ack_too_late(kit: Kit) -> None:
    """Acknowledging by a lease that is over is refused (1418), by the call or by the flush after it."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=0.6, backoff=FAST)
    await producer.send(queue)
    first = await consumer.one()
    await consumer.one()
    async with kit.refused(1418, "OMSRuntimeException", "a lease that is over"):
        await consumer.ack(first)
        await kit.call("flush", service=consumer.handle)


@case("settlement.lease-holds", LEASE, "lease")
async def lease_holds(kit: Kit) -> None:
    """Within the invisible time no other consumer of the group gets the message."""
    queue = kit.queue()
    producer = await kit.producer()
    one, two = await kit.pull(queue), await kit.pull(queue)
    await producer.send(queue)
    got = [await one.receive(1.0), await two.receive(1.0)]
    equal(len([each for each in got if each]), 1, "deliveries")


@case("settlement.extend", LEASE, "lease", "extend-lease")
async def extend(kit: Kit) -> None:
    """A lease that is extended lasts so long."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.0)
    await producer.send(queue)
    got = await consumer.one()
    await consumer.do("extend", receipt=got.receipt, seconds=20.0)
    other = await kit.pull(queue, invisible_time=1.0)
    await other.nothing(2.0)
    await consumer.ack(got)


@case("settlement.nack", NACK)
async def nack(kit: Kit) -> None:
    """What was given back comes again at once, with the same id and the next delivery count."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"again")
    first = await consumer.one()
    await consumer.nack(first)
    again = await consumer.one()
    equal((again.text, again.id, again.count), ("again", first.id, 2), "body, id, delivery count")


@case("settlement.nack-by-text", "runtime, message receipt")
async def nack_by_text(kit: Kit) -> None:
    """A receipt's text is enough to give back."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    await consumer.nack(await consumer.one(), as_text=True)
    equal((await consumer.one()).count, 2, "delivery count")


@case("settlement.nack-delay", NACK, "nack-delay")
async def nack_delay(kit: Kit) -> None:
    """What was given back with a delay comes after it, not before."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    await consumer.nack(await consumer.one(), 1.0)
    began = time.monotonic()
    again = await consumer.one()
    took = time.monotonic() - began
    equal(again.count, 2, "delivery count")
    that(took >= 0.9, f"it came after {took:.2f} s instead of 1")


@case("settlement.nack-others", NACK)
async def nack_others(kit: Kit) -> None:
    """A message that was given back does not hold up the others."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, prefetch=1)
    await producer.send(queue, b"bad")
    await consumer.nack(await consumer.one(), 3.0)
    await producer.send(queue, b"good")
    equal((await consumer.one(2.5)).text, "good", "body")


@case("settlement.nack-after-ack", NACK)
async def nack_after_ack(kit: Kit) -> None:
    """Giving back what was acknowledged is refused (1418)."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    got = await consumer.one()
    await consumer.ack(got)
    async with kit.refused(1418, "OMSRuntimeException", "giving back what is done"):
        await consumer.nack(got)


@case("settlement.backoff-grows", NACK, "nack-delay")
async def backoff_grows(kit: Kit) -> None:
    """Without a delay, what was given back waits longer from delivery to delivery."""
    queue = kit.queue()
    backoff = {"initial": 0.3, "factor": 3.0, "jitter": 0.0, "maxDelivery": 10}
    producer, consumer = await kit.producer(), await kit.pull(queue, backoff=backoff)
    await producer.send(queue)
    waits = []
    got = await consumer.one()
    for _ in range(2):
        await consumer.nack(got, None)
        began = time.monotonic()
        got = await consumer.one()
        waits.append(time.monotonic() - began)
    that(waits[0] >= 0.25 and waits[1] >= 0.8, f"it waited {waits[0]:.2f} and {waits[1]:.2f} s, not 0.3 and 0.9")


@case("settlement.count-survives", NACK)
async def count_survives(kit: Kit) -> None:
    """The delivery count goes on with the group's next consumer."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    await consumer.nack(await consumer.one())
    again = await consumer.one()
    await consumer.nack(again)
    await kit.call("flush", service=consumer.handle)
    await consumer.close()
    equal((await (await kit.pull(queue)).one()).count, 3, "delivery count")


async def _dead(kit: Kit, queue: str) -> Got:
    dead = await kit.pull(f"{queue}.{kit.group()}.dead-letter", group=kit.group("dead"))
    return await dead.one()


@case("settlement.dead-letter", DEAD, "dead-letter")
async def dead_letter(kit: Kit) -> None:
    """After its last delivery a message goes to the dead letters, with why, and from where."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, backoff=FAST)
    sent = await producer.send(queue, b"poison", key="k", properties={"color": "red"})
    for _ in range(3):
        await consumer.nack(await consumer.one(), 0.0, "it is bad")
    await consumer.nothing()
    got = await _dead(kit, queue)
    equal((got.text, got.header("messageKey"), got.properties.get("color")), ("poison", "k", "red"), "the letter")
    equal(got.properties.get("dead-letter.reason"), "it is bad", "reason")
    equal(got.properties.get("dead-letter.queue"), f"default://{queue}", "queue")
    equal(got.properties.get("dead-letter.delivery-count"), 3, "delivery count")
    equal(got.id, sent["messageId"], "message id")


@case("settlement.reject", DEAD, "dead-letter")
async def reject(kit: Kit) -> None:
    """A message that is rejected becomes a dead letter at once."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"nonsense")
    await consumer.do("reject", receipt=(await consumer.one()).receipt, reason="it cannot be read")
    equal((await _dead(kit, queue)).properties.get("dead-letter.reason"), "it cannot be read", "reason")
    await consumer.nothing()


@case("settlement.dead-by-leases", DEAD, "dead-letter", "lease")
async def dead_by_leases(kit: Kit) -> None:
    """A message whose consumers never answer becomes a dead letter, too."""
    queue = kit.queue()
    backoff = {"initial": 0.05, "factor": 1.0, "jitter": 0.0, "maxDelivery": 2}
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=0.6, backoff=backoff)
    await producer.send(queue, b"it kills")
    waiting = asyncio.ensure_future(_dead(kit, queue))
    try:
        equal([(await consumer.one()).count, (await consumer.one()).count], [1, 2], "delivery counts")
        equal((await waiting).text, "it kills", "the dead letter")
    finally:
        waiting.cancel()


@case("settlement.redrive", DEAD, "dead-letter", "redrive")
async def redrive(kit: Kit) -> None:
    """Dead letters are sent back under their old ids, and are dead no more."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = await producer.send(queue, b"try again")
    await consumer.do("reject", receipt=(await consumer.one()).receipt, reason="not now")
    await kit.call("flush", service=consumer.handle)
    equal(len(await kit.do("deadLetters", queue=queue, group=kit.group())), 1, "dead letters")
    equal(await kit.do("redrive", queue=queue, group=kit.group()), 1, "letters sent back")
    got = await consumer.one()
    equal((got.text, got.id), ("try again", sent["messageId"]), "body and id")
    equal(len(await kit.do("deadLetters", queue=queue, group=kit.group())), 0, "dead letters left")
