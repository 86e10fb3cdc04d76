"""Cancelling, stopping, closing: nothing hangs, nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message
from openmessaging.conformance.protocol import Refusal

CANCEL = "runtime, future: cancel; features: cancelling loses nothing"
STOP = "runtime, lifecycle: stop"


async def _cancelled(task: asyncio.Future[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Refusal):
        await task


@case("shutdown.cancel-receive", CANCEL, "cancel")
async def cancel_receive(kit: Kit) -> None:
    """A receive that is cancelled takes no message with it."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    waiting: asyncio.Future[object] = asyncio.ensure_future(consumer.receive(30.0))
    await asyncio.sleep(0.1)
    await _cancelled(waiting)
    await producer.send(queue, b"still there")
    got = await consumer.one()
    equal((got.text, got.count), ("still there", 1), "body and delivery count")


@case("shutdown.cancel-many", CANCEL, "cancel", seconds=60)
async def cancel_many(kit: Kit) -> None:
    """Receives that are cancelled while messages come lose none."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=3.0)
    seen: set[str] = set()
    for number in range(30):
        waiting = asyncio.ensure_future(consumer.receive(5.0))
        sending = asyncio.ensure_future(producer.send(queue, str(number)))
        await asyncio.sleep(0.001 * (number % 7))
        waiting.cancel()
        await sending
        try:
            got = await waiting
            if got is not None:
                seen.add(got.text)
                await consumer.ack(got)
        except (asyncio.CancelledError, Refusal):
            pass
    deadline = time.monotonic() + 20
    while len(seen) < 30 and time.monotonic() < deadline:
        for got in await consumer.batch(100, 1.0):
            seen.add(got.text)
            await consumer.ack(got)
    equal(sorted(map(int, seen)), list(range(30)), "messages that came")


@case("shutdown.stop-ends-receive", f"{STOP}; receive gives null when stopped meanwhile", "lifecycle")
async def stop_ends_receive(kit: Kit) -> None:
    """A receive that waits returns nothing when its consumer is stopped."""
    consumer = await kit.pull(kit.queue())
    waiting = asyncio.ensure_future(consumer.receive(30.0))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await kit.call("stop", service=consumer.handle)
    equal(await waiting, None, "what the receive gave")
    that(time.monotonic() - began < 5.0, "it took longer than 5 s")


@case("shutdown.stop-waits-for-listener", f"{STOP}; push consumer", "push", "lifecycle")
async def stop_waits(kit: Kit) -> None:
    """Stopping a push consumer waits for its listener, whose message is then done."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"hold": True})
    await producer.send(queue, b"at work")
    await push.messages(1)
    stopping = asyncio.ensure_future(kit.call("stop", service=push.handle))
    await asyncio.sleep(0.2)
    that(not stopping.done(), "it was stopped while its listener was at work")
    await kit.call("letGo", listener=push.listener)
    await asyncio.wait_for(stopping, 10)
    await (await kit.pull(queue)).nothing()


@case("shutdown.close-point", f"{STOP}; access point", "lifecycle")
async def close_point(kit: Kit) -> None:
    """Closing an access point stops what was made from it: sending is refused (1503)."""
    point = await kit.connect()
    producer = await kit.producer(point)
    await producer.send(kit.queue())
    await kit.call("release", handle=point)
    async with kit.refused(1503, "OMSRuntimeException", "a send after the close"):
        await producer.send(kit.queue())


@case("shutdown.close-flushes", STOP, "async")
async def close_flushes(kit: Kit) -> None:
    """Closing an access point stores what was handed over before."""
    queue = kit.queue()
    point = await kit.connect()
    producer = await kit.producer(point, linger=0.3)
    for number in range(20):
        await producer.do("sendAsync", message=message(queue, str(number)))
    await kit.call("release", handle=point)
    equal(len(await (await kit.pull(queue)).take(20)), 20, "messages")


@case("shutdown.close-releases", f"{STOP}; what was held goes back")
async def close_releases(kit: Kit) -> None:
    """What a closed consumer held ready is there for others at once, not after its invisible time."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(50)])
    one = await kit.pull(queue, invisible_time=60.0)
    first = await one.one()
    await one.ack(first)
    await one.close()
    two = await kit.pull(queue, invisible_time=60.0)
    equal(len({each.text for each in await two.take(49)}), 49, "different messages")


@case("shutdown.close-twice", STOP)
async def close_twice(kit: Kit) -> None:
    """Closing again is no error."""
    point = await kit.connect()
    for _ in range(2):
        await kit.call("release", handle=point)


@case("shutdown.acks-survive", f"{STOP}; acknowledgements")
async def acks_survive(kit: Kit) -> None:
    """Acknowledgements made just before the close count."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(20)])
    point = await kit.connect()
    consumer = await kit.pull(queue, point=point, invisible_time=1.5)
    await consumer.take(20)
    await kit.call("release", handle=point)
    other = await kit.pull(queue, invisible_time=1.5)
    await other.nothing(2.2)
