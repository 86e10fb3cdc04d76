"""Requests and their answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Got, Kit, message
from openmessaging.conformance.protocol import Refusal

RULE = "specification 1.0.0, use case 8: RPC"
CAN = ("request-reply",)


@case("request-reply.answer", RULE, *CAN)
async def answer(kit: Kit) -> None:
    """A request gets the service's answer."""
    queue = kit.queue()
    await kit.service(queue, "echo")
    producer = await kit.producer()
    got = Got(await producer.do("request", message=message(queue, b"hello")))
    equal(got.text, "echo hello", "answer")


@case("request-reply.empty", RULE, *CAN)
async def empty(kit: Kit) -> None:
    """A service that returns nothing gives an empty answer."""
    queue = kit.queue()
    await kit.service(queue, "nothing")
    producer = await kit.producer()
    equal(Got(await producer.do("request", message=message(queue, b"?"))).body, b"", "answer")


@case("request-reply.parallel", RULE, *CAN)
async def parallel(kit: Kit) -> None:
    """Fifty requests at once get each its own answer."""
    queue = kit.queue()
    await kit.service(queue, "echo")
    producer = await kit.producer()
    asked = [producer.do("request", message=message(queue, str(n))) for n in range(50)]
    got = [Got(each).text for each in await asyncio.gather(*asked)]
    equal(got, [f"echo {n}" for n in range(50)], "answers")


@case("request-reply.error", RULE, *CAN)
async def error(kit: Kit) -> None:
    """What the service raises arrives with its code and text."""
    queue = kit.queue()
    await kit.service(queue, "fail")
    producer = await kit.producer()
    async with kit.refused(1418, None, "the request"):
        await producer.do("request", message=message(queue, b"?"))


@case("request-reply.crash", RULE, *CAN)
async def crash(kit: Kit) -> None:
    """Any other failure of the service arrives as a server error (1500)."""
    queue = kit.queue()
    await kit.service(queue, "crash")
    producer = await kit.producer()
    async with kit.refused(1500, None, "the request"):
        await producer.do("request", message=message(queue, b"?"))


@case("request-reply.nobody", "features: no responder", *CAN)
async def nobody(kit: Kit) -> None:
    """Without a service the request fails at once (1503)."""
    producer = await kit.producer()
    began = time.monotonic()
    async with kit.refused(1503, None, "a request that nobody serves"):
        await producer.do("request", message=message(kit.queue(), b"?"), timeout=20.0)
    that(time.monotonic() - began < 5.0, "it took longer than 5 s")


@case("request-reply.timeout", "features: deadline", *CAN)
async def timeout(kit: Kit) -> None:
    """A service that does not answer in time is a timeout (1410), and its handler is cancelled."""
    queue = kit.queue()
    service = await kit.service(queue, "hold")
    producer = await kit.producer()
    async with kit.refused(1410, "OMSTimeOutException", "the request"):
        await producer.do("request", message=message(queue, b"?"), timeout=5.0)
    found = await kit.call("served", service=service, count=1, cancelled=1, timeout=5.0)
    equal((len(found["seen"]), found["cancelled"]), (1, 1), "handled and cancelled")


@case("request-reply.cancel", "features: cancel", *CAN, "cancel")
async def cancel(kit: Kit) -> None:
    """Cancelling a request cancels its handler."""
    queue = kit.queue()
    service = await kit.service(queue, "hold")
    producer = await kit.producer()
    asking = asyncio.ensure_future(producer.do("request", message=message(queue, b"?"), timeout=20.0))
    await kit.call("served", service=service, count=1)
    asking.cancel()
    with suppress(asyncio.CancelledError, Refusal):
        await asking
    found = await kit.call("served", service=service, cancelled=1, timeout=5.0)
    equal(found["cancelled"], 1, "cancelled handlers")


@case("request-reply.stream", "features: streamed reply", *CAN)
async def stream(kit: Kit) -> None:
    """A service that answers with a stream: all items come, in order, and it ends."""
    queue = kit.queue()
    await kit.service(queue, "stream")
    producer = await kit.producer()
    found = await producer.do("requestStream", message=message(queue, b"n"))
    equal([Got(each).text for each in found], [f"n {n}" for n in range(5)], "items")


@case("request-reply.all", "council topic: RPC, several answers", *CAN)
async def all_groups(kit: Kit) -> None:
    """A request to all groups gathers an answer of each."""
    queue = kit.queue()
    await kit.service(queue, "echo", group=kit.group("a"))
    await kit.service(queue, "echo", group=kit.group("b"))
    producer = await kit.producer()
    found = await producer.do("requestAll", message=message(queue, b"?"))
    equal((len(found["messages"]), found["complete"]), (2, True), "answers, complete")


@case("request-reply.share", RULE, *CAN)
async def share(kit: Kit) -> None:
    """Services of one group share the requests: each is handled once."""
    queue = kit.queue()
    services = [await kit.service(queue, "echo") for _ in range(2)]
    producer = await kit.producer()
    for number in range(10):
        await producer.do("request", message=message(queue, str(number)))
    seen = [each for service in services for each in (await kit.call("served", service=service))["seen"]]
    equal(sorted(seen), sorted(str(n) for n in range(10)), "requests handled")
