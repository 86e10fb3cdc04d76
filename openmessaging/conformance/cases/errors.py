"""Errors: the standard's classes and codes, at the place where something is wrong."""

from __future__ import annotations

from typing import Any

from openmessaging.conformance.case import Broken, Skip, case, equal, that
from openmessaging.conformance.kit import Kit, message
from openmessaging.conformance.protocol import Refusal

CODES = "code table"
FORMAT = "runtime, exceptions: OMSMessageFormatException"


async def _bad(kit: Kit, code: int, what: str, **parts: Any) -> None:
    producer = await kit.producer()
    async with kit.refused(code, "OMSMessageFormatException", what):
        await producer.send(kit.queue(), **parts)


@case("errors.header-type", FORMAT)
async def header_type(kit: Kit) -> None:
    """A header field of a wrong type is a format error that names it."""
    producer = await kit.producer()
    try:
        await producer.send(kit.queue(), delay_time="soon")
    except Refusal as refusal:
        equal((refusal.kind, refusal.code), ("OMSMessageFormatException", 1400), "class and code")
        that("delayTime" in (refusal.field or refusal.reason), f"it does not name the field: {refusal}")
        return
    raise Broken("delayTime = 'soon' was not refused")


@case("errors.header-range", FORMAT)
async def header_range(kit: Kit) -> None:
    """A header field out of its range is a format error."""
    await _bad(kit, 1400, "qos 7", qos=7)


@case("errors.negative-delay", FORMAT)
async def negative_delay(kit: Kit) -> None:
    """A negative delay is a format error."""
    await _bad(kit, 1400, "a delay of -1", delay_time=-1)


@case("errors.header-unknown", FORMAT)
async def header_unknown(kit: Kit) -> None:
    """A header field that the standard does not know is a format error."""
    await _bad(kit, 1400, "the field colour", colour="red")


@case("errors.version", f"{CODES}: 1101")
async def version(kit: Kit) -> None:
    """A message of another version of the standard is refused (1101)."""
    document = message(kit.queue())
    document["message"]["version"] = "7.0.0"
    producer = await kit.producer()
    async with kit.refused(1101, "OMSUnsupportException", "version 7.0.0"):
        await producer.do("send", message=document)


@case("errors.queue-name", f"{CODES}: 1418")
async def queue_name(kit: Kit) -> None:
    """A name that no queue can have is refused (1418)."""
    producer = await kit.producer()
    async with kit.refused(None, None, "the queue name a/b c"):
        await producer.send("a//b\tc")


@case("errors.group-name", f"{CODES}: 1418")
async def group_name(kit: Kit) -> None:
    """A name that no group can have is refused (1418)."""
    async with kit.refused(1418, "OMSRuntimeException", "the group name with a tab"):
        await kit.pull(kit.queue(), "a\tb")


@case("errors.no-queue", f"{CODES}: 1404")
async def no_queue(kit: Kit) -> None:
    """Where queues are not made on first use, a send to a missing one is refused (1404)."""
    queue = kit.queue("missing")
    if kit.system.name not in ("embedded", "memory"):
        raise Skip("whether queues are made on first use is the server's setting here")
    point = await kit.connect(
        url=f"oms:memory:{kit.queue('strict')}" if kit.system.name == "memory" else f"{kit.system.url}-strict",
        attributes={"auto_create": False},
    )
    producer = await kit.producer(point)
    async with kit.refused(1404, "OMSDestinationException", "a send to a missing queue"):
        await producer.send(queue)
    async with kit.refused(1404, "OMSDestinationException", "a consumer of a missing queue"):
        await kit.pull(queue, point=point)


@case("errors.no-namespace", f"{CODES}: 1405", "admin", "namespaces")
async def no_namespace(kit: Kit) -> None:
    """A send to a missing namespace is refused (1405)."""
    kit.need_namespaces()
    producer = await kit.producer()
    async with kit.refused(1405, "OMSDestinationException", "a send to a missing namespace"):
        await producer.send(f"{kit.queue('missing')}://q")


@case("errors.next-step", "runtime, exceptions; features: errors say what to do")
async def next_step(kit: Kit) -> None:
    """An error names what was wrong."""
    try:
        await (await kit.producer()).send(kit.queue(), qos=7)
    except Refusal as refusal:
        that("qos" in refusal.reason, f"the reason is {refusal.reason!r}")
        return
    raise Broken("qos 7 was not refused")


@case("errors.text-header-empty", FORMAT)
async def empty_text(kit: Kit) -> None:
    """An empty text in a header field is a format error."""
    await _bad(kit, 1400, "an empty correlationId", correlation_id="")


@case("errors.property-empty-name", FORMAT)
async def property_empty_name(kit: Kit) -> None:
    """A property without a name is a format error."""
    await _bad(kit, 1400, "a property without a name", properties={"": "x"})


@case("errors.partitions", f"{CODES}: 1418", "admin")
async def partitions(kit: Kit) -> None:
    """A queue with no partition cannot be created (1418, or 1400 where the whole request is read first)."""
    try:
        await kit.create(kit.queue(), 0)
    except Refusal as refusal:
        that(refusal.code in (1400, 1418), f"its code is {refusal.code}: {refusal.reason}")
        return
    raise Broken("a queue of 0 partitions was not refused")


@case("errors.start", f"{CODES}: 1418")
async def start(kit: Kit) -> None:
    """A group cannot start at a place that is none (1418, or unsupported where places cannot be chosen)."""
    try:
        consumer = await kit.pull(kit.queue(), start="somewhere")
        await consumer.receive(0.2)
    except Refusal as refusal:
        that(refusal.unsupported or refusal.code == 1418, f"its code is {refusal.code}: {refusal.reason}")
        return
    raise Broken("the start 'somewhere' was not refused")
