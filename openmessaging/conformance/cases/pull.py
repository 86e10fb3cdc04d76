"""The pull consumer."""

from __future__ import annotations

import time

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "runtime, pull consumer"


@case("pull.timeout", f"{RULE}: receive(timeout)")
async def timeout(kit: Kit) -> None:
    """A receive with a timeout gives nothing when nothing came, and not much later."""
    consumer = await kit.pull(kit.queue())
    began = time.monotonic()
    equal(await consumer.receive(0.3), None, "what came")
    took = time.monotonic() - began
    that(0.25 <= took <= 5.0, f"it took {took:.2f} s instead of 0.3")


@case("pull.batch-timeout", f"{RULE}: batchReceive(timeout)")
async def batch_timeout(kit: Kit) -> None:
    """A batch receive of nothing is an empty list."""
    equal(await (await kit.pull(kit.queue())).batch(10, 0.2), [], "what came")


@case("pull.wakes", f"{RULE}: receive")
async def wakes(kit: Kit) -> None:
    """A receive that waits returns when a message is sent, not at its timeout."""
    import asyncio

    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    waiting = asyncio.ensure_future(consumer.receive(20.0))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await producer.send(queue, b"wake")
    got = await waiting
    that(got is not None and got.text == "wake", "it did not return the message")
    that(time.monotonic() - began < 5.0, f"it came {time.monotonic() - began:.1f} s after it was sent")


@case("pull.batch-at-once", f"{RULE}: batchReceive")
async def batch_at_once(kit: Kit) -> None:
    """A batch receive returns as soon as there is one message."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue)
    began = time.monotonic()
    equal(len(await consumer.batch(100, 20.0)), 1, "messages")
    that(time.monotonic() - began < 5.0, "it waited for more")


@case("pull.batch-maximum", f"{RULE}: batchReceive")
async def batch_maximum(kit: Kit) -> None:
    """A batch receive never gives more than was asked for."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send_many([message(queue, str(n)) for n in range(20)])
    that(len(await consumer.batch(7)) <= 7, "more than 7 messages came")


@case("pull.bind", f"{RULE}: bindQueue")
async def bind(kit: Kit) -> None:
    """A queue bound while the consumer runs is received from."""
    one, two = kit.queue("one"), kit.queue("two")
    producer, consumer = await kit.producer(), await kit.pull(one)
    await producer.send(two, b"2")
    await consumer.do("bindQueues", queues=[two])
    equal((await consumer.one()).text, "2", "body")


@case("pull.unbind", f"{RULE}: unbindQueue")
async def unbind(kit: Kit) -> None:
    """Nothing new arrives from a queue that was unbound."""
    one, two = kit.queue("one"), kit.queue("two")
    producer, consumer = await kit.producer(), await kit.pull([one, two])
    await consumer.do("unbindQueues", queues=[two])
    await producer.send(two, b"2")
    await producer.send(one, b"1")
    equal((await consumer.one()).text, "1", "body")
    await consumer.nothing()


@case("pull.bound-queues", "runtime, consumers: getBindQueues")
async def bound_queues(kit: Kit) -> None:
    """A consumer knows the queues it is bound to, and none when there are none."""
    queue = kit.queue()
    consumer = await kit.pull(queue)
    equal(await consumer.do("boundQueues"), [f"default://{queue}"], "bound queues")
    await consumer.do("unbindQueues", queues=[queue])
    equal(await consumer.do("boundQueues"), None, "bound queues")


@case("pull.not-bound", f"{RULE}: receive")
async def not_bound(kit: Kit) -> None:
    """Receiving without a bound queue is refused (1418)."""
    consumer = await kit.pull()
    async with kit.refused(1418, "OMSRuntimeException", "a receive without a queue"):
        await consumer.receive(0.2)


@case("pull.several-queues", f"{RULE}: bindQueue")
async def several_queues(kit: Kit) -> None:
    """A consumer of three queues gets what is in all of them."""
    queues = [kit.queue(str(n)) for n in range(3)]
    producer, consumer = await kit.producer(), await kit.pull(queues)
    for queue in queues:
        await producer.send(queue, queue)
    equal(sorted(each.text for each in await consumer.take(3)), sorted(queues), "bodies")


@case("pull.from-place", f"{RULE}: receive(queue, metadata, receipt)", "browse")
async def from_place(kit: Kit) -> None:
    """Messages are received from a place, and the group's position stays."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = [await producer.send(queue, str(n)) for n in range(5)]
    place = {"partition": sent[3]["partition"], "offset": sent[3]["offset"]}
    found = await consumer.do("receiveFrom", queue=queue, **place)
    from openmessaging.conformance.kit import Got

    equal([Got(each).text for each in found], ["3", "4"], "bodies from the fourth on")
    equal([each.text for each in await consumer.take(5)], ["0", "1", "2", "3", "4"], "the group's messages")


@case("pull.prefetch-one", "runtime, pull consumer: an idle consumer gets its share")
async def prefetch_one(kit: Kit) -> None:
    """With a prefetch of one, a consumer that does nothing holds no second message back from another."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(2)])
    idle = await kit.pull(queue, prefetch=1, invisible_time=30.0)
    first = await idle.one()
    other = await kit.pull(queue, prefetch=1, invisible_time=30.0)
    second = await other.one(5.0)
    that(first.text != second.text, "both got the same message")
