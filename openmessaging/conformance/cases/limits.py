"""Limits: the largest things are taken, larger ones are refused with the right code."""

from __future__ import annotations

from openmessaging.conformance.case import Skip, case, equal, that
from openmessaging.conformance.kit import Kit

CODES = "code table"
LARGEST_TRIED = 24 << 20
"""Bytes: bodies beyond it are not tried, to spare the machine."""


def _limit(kit: Kit) -> int:
    limit = int(kit.facts["maxBodyBytes"])
    if limit > LARGEST_TRIED:
        raise Skip(f"the largest body, {limit:,} bytes, is too large to be tried")
    return limit


@case("limits.body", f"{CODES}: 1413", alone=True)
async def body(kit: Kit) -> None:
    """A body of the largest size is taken and comes back."""
    queue = kit.queue()
    sent = b"x" * _limit(kit)
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, sent)
    got = await consumer.one()
    that(got.body == sent, f"{len(got.body)} bytes came back of {len(sent)}")
    await consumer.ack(got)


@case("limits.body-over", f"{CODES}: 1413", alone=True)
async def body_over(kit: Kit) -> None:
    """One byte more is refused (1413)."""
    producer = await kit.producer()
    async with kit.refused(1413, "OMSMessageFormatException", "a body that is too large"):
        await producer.send(kit.queue(), b"x" * (_limit(kit) + 1))


@case("limits.create-message", f"{CODES}: 1413; runtime, producer: createMessage", "message-factory", alone=True)
async def create_message(kit: Kit) -> None:
    """Creating a message with a body that is too large is refused, too."""
    producer = await kit.producer()
    import base64

    data = base64.b64encode(b"x" * (_limit(kit) + 1)).decode()
    async with kit.refused(1413, "OMSMessageFormatException", "a body that is too large"):
        await producer.do("createMessage", queue=kit.queue(), data=data)


@case("limits.header", f"{CODES}: 1412")
async def header(kit: Kit) -> None:
    """A header text over 1,024 bytes is refused (1412)."""
    producer = await kit.producer()
    async with kit.refused(1412, "OMSMessageFormatException", "a correlation id of 1,025 bytes"):
        await producer.send(kit.queue(), correlation_id="x" * 1025)


@case("limits.header-largest", f"{CODES}: 1412")
async def header_largest(kit: Kit) -> None:
    """A header text of 1,024 bytes comes back."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, correlation_id="x" * 1024)
    equal((await consumer.one()).header("correlationId"), "x" * 1024, "correlationId")


@case("limits.key-largest", f"{CODES}: 1412")
async def key_largest(kit: Kit) -> None:
    """A message key of 1,024 bytes comes back."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, key="k" * 1024)
    equal((await consumer.one()).header("messageKey"), "k" * 1024, "messageKey")


@case("limits.properties", f"{CODES}: 1411")
async def properties(kit: Kit) -> None:
    """Properties over 64 KiB together are refused (1411)."""
    producer = await kit.producer()
    async with kit.refused(1411, "OMSMessageFormatException", "properties of 70 KB"):
        await producer.send(kit.queue(), properties={f"p{n}": "x" * 7_000 for n in range(10)})


@case("limits.properties-largest", f"{CODES}: 1411")
async def properties_largest(kit: Kit) -> None:
    """Properties of 60 KB come back."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    sent = {f"p{n}": "x" * 6_000 for n in range(10)}
    await producer.send(queue, properties=sent)
    that((await consumer.one()).properties == sent, "the properties came back changed")


@case("limits.property-name", f"{CODES}: 1411")
async def property_name(kit: Kit) -> None:
    """A property name over 255 bytes is refused (1411)."""
    producer = await kit.producer()
    async with kit.refused(1411, "OMSMessageFormatException", "a name of 256 bytes"):
        await producer.send(kit.queue(), properties={"n" * 256: "x"})


@case("limits.queue-name", "specification 1.0.0, resources")
async def queue_name(kit: Kit) -> None:
    """A queue with a name of 100 characters works."""
    queue = kit.queue("q" * 70)[:100]
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, b"long")
    equal((await consumer.one()).text, "long", "body")
