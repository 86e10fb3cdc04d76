"""Producers and consumers start, stop, and start again."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal
from openmessaging.conformance.kit import Kit, Producer, Pull

RULE = "runtime, lifecycle"
LIFE = "lifecycle"


@case("lifecycle.states", RULE, LIFE)
async def states(kit: Kit) -> None:
    """A producer is INITIALIZED, then STARTED, then STOPPED."""
    handle = await kit.handle("createProducer", point=kit.point, start=False)
    seen = [await kit.call("state", service=handle)]
    await kit.call("start", service=handle)
    seen.append(await kit.call("state", service=handle))
    await kit.call("stop", service=handle)
    seen.append(await kit.call("state", service=handle))
    equal(seen, ["INITIALIZED", "STARTED", "STOPPED"], "states")


@case("lifecycle.consumer-states", RULE, LIFE)
async def consumer_states(kit: Kit) -> None:
    """So is a consumer."""
    handle = await kit.handle(
        "createPullConsumer", point=kit.point, queues=[kit.queue()], group=kit.group(), started=False
    )
    seen = [await kit.call("state", service=handle)]
    for step in ("start", "stop"):
        await kit.call(step, service=handle)
        seen.append(await kit.call("state", service=handle))
    equal(seen, ["INITIALIZED", "STARTED", "STOPPED"], "states")


@case("lifecycle.send-before-start", RULE, LIFE)
async def send_before_start(kit: Kit) -> None:
    """Sending before the start is refused (1503)."""
    producer = await kit.producer(start=False)
    async with kit.refused(1503, "OMSRuntimeException", "a send before the start"):
        await producer.send(kit.queue())


@case("lifecycle.send-after-stop", RULE, LIFE)
async def send_after_stop(kit: Kit) -> None:
    """Sending after the stop is refused (1503)."""
    producer = await kit.producer()
    await kit.call("stop", service=producer.handle)
    async with kit.refused(1503, "OMSRuntimeException", "a send after the stop"):
        await producer.send(kit.queue())


@case("lifecycle.receive-before-start", RULE, LIFE)
async def receive_before_start(kit: Kit) -> None:
    """Receiving before the start is refused (1503)."""
    consumer = await kit.pull(kit.queue(), started=False)
    async with kit.refused(1503, "OMSRuntimeException", "a receive before the start"):
        await consumer.receive(0.1)


@case("lifecycle.receive-after-stop", RULE, LIFE)
async def receive_after_stop(kit: Kit) -> None:
    """Receiving after the stop is refused (1503)."""
    consumer = await kit.pull(kit.queue())
    await kit.call("stop", service=consumer.handle)
    async with kit.refused(1503, "OMSRuntimeException", "a receive after the stop"):
        await consumer.receive(0.1)


@case("lifecycle.repeated-start", RULE, LIFE)
async def repeated_start(kit: Kit) -> None:
    """Starting what is started and stopping what is stopped do nothing."""
    producer = await kit.producer()
    for step in ("start", "stop", "stop", "start"):
        await kit.call(step, service=producer.handle)
    equal(await kit.call("state", service=producer.handle), "STARTED", "state")


@case("lifecycle.producer-restarts", RULE, LIFE)
async def producer_restarts(kit: Kit) -> None:
    """A producer that was stopped may be started again, several times, and sends."""
    queue = kit.queue()
    producer: Producer = await kit.producer()
    for number in range(3):
        await producer.send(queue, str(number))
        await kit.call("stop", service=producer.handle)
        await kit.call("start", service=producer.handle)
    consumer = await kit.pull(queue)
    equal(sorted(each.text for each in await consumer.take(3)), ["0", "1", "2"], "bodies")


@case("lifecycle.consumer-restarts", RULE, LIFE)
async def consumer_restarts(kit: Kit) -> None:
    """A consumer that was stopped may be started again, and goes on where its group is."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer: Pull = await kit.pull(queue)
    await producer.send(queue, b"first")
    await consumer.take(1)
    await kit.call("stop", service=consumer.handle)
    await producer.send(queue, b"second")
    await kit.call("start", service=consumer.handle)
    equal((await consumer.one()).text, "second", "body")


@case("lifecycle.stop-gives-back", "runtime, consumers: unacknowledged messages may be redelivered", LIFE)
async def stop_gives_back(kit: Kit) -> None:
    """What a consumer held without handing it out is there for the next one."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([_numbered(queue, number) for number in range(10)])
    one = await kit.pull(queue, invisible_time=30.0)
    first = await one.one()
    await one.ack(first)
    await one.close()
    two = await kit.pull(queue, invisible_time=30.0)
    got = await two.take(9)
    equal(len({first.text, *(each.text for each in got)}), 10, "different messages")


def _numbered(queue: str, number: int) -> dict[str, object]:
    from openmessaging.conformance.kit import message

    return message(queue, str(number))
