"""Code of the user around sends and receives."""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "runtime, interceptors"
CAN = "interceptors"


async def _events(kit: Kit, service: str) -> list[list[str]]:
    found: list[list[str]] = await kit.call("intercepted", service=service)
    return [each[:2] for each in found]


def _two(**first: Any) -> list[dict[str, Any]]:
    return [{"name": "a", **first}, {"name": "b"}]


@case("interceptors.order", f"{RULE}: pre in order of adding, post reversed", CAN)
async def order(kit: Kit) -> None:
    """Around a send, pre hooks run in the order of adding and post hooks in reverse."""
    producer = await kit.producer(interceptors=_two())
    await producer.send(kit.queue())
    expected = [["pre", "a"], ["pre", "b"], ["post", "b"], ["post", "a"]]
    equal(await _events(kit, producer.handle), expected, "hooks")


@case("interceptors.change", f"{RULE}: preSend may change the message", CAN)
async def change(kit: Kit) -> None:
    """What a pre hook puts into a message is sent."""
    queue = kit.queue()
    producer = await kit.producer(interceptors=[{"name": "a", "properties": {"added": "yes"}}])
    await producer.send(queue, properties={"own": "too"})
    got = await (await kit.pull(queue)).one()
    equal(got.properties, {"own": "too", "added": "yes"}, "properties")


@case("interceptors.refuse", f"{RULE}: a raise in pre stops the send", CAN)
async def refuse(kit: Kit) -> None:
    """When a pre hook raises, nothing is sent and the caller learns it."""
    queue = kit.queue()
    producer = await kit.producer(interceptors=[{"name": "a", "refuse": True}])
    async with kit.refused(None, None, "the send"):
        await producer.send(queue)
    await (await kit.pull(queue)).nothing()


@case("interceptors.fail-after", f"{RULE}: a raise in post is logged", CAN)
async def fail_after(kit: Kit) -> None:
    """When a post hook raises, the send has succeeded all the same."""
    queue = kit.queue()
    producer = await kit.producer(interceptors=_two(fail=True))
    await producer.send(queue, b"sent")
    equal((await (await kit.pull(queue)).one()).text, "sent", "body")


@case("interceptors.error", f"{RULE}; 0.3.1 postSend with the exception", CAN)
async def error(kit: Kit) -> None:
    """After a failed send the error hook runs, and not the post hook."""
    producer = await kit.producer(interceptors=_two())
    async with kit.refused(1411, None, "too large properties"):
        await producer.send(kit.queue(), properties={"long": "x" * 100_000})
    expected = [["pre", "a"], ["pre", "b"], ["error", "b"], ["error", "a"]]
    equal(await _events(kit, producer.handle), expected, "hooks")


@case("interceptors.batch", f"{RULE}: each message of a batch", CAN)
async def batch(kit: Kit) -> None:
    """Each message of a batch is intercepted."""
    queue = kit.queue()
    producer = await kit.producer(interceptors=[{"name": "a"}])
    await producer.send_many([message(queue, str(n)) for n in range(3)])
    found = await kit.call("intercepted", service=producer.handle)
    equal(sorted(each[2] for each in found if each[0] == "pre"), ["0", "1", "2"], "bodies seen before")
    equal(sorted(each[2] for each in found if each[0] == "post"), ["0", "1", "2"], "bodies seen after")


@case("interceptors.one-way", f"{RULE}: sendOneway, sendAsync", CAN, "one-way", "async")
async def one_way(kit: Kit) -> None:
    """One-way and asynchronous sends are intercepted, too."""
    producer = await kit.producer(interceptors=[{"name": "a"}])
    await producer.do("sendOneway", messages=[message(kit.queue(), b"one-way")])
    future = await producer.do("sendAsync", message=message(kit.queue(), b"async"))
    await kit.call("future", future=future)
    await kit.call("flush", service=producer.handle)
    for _ in range(50):
        found = await kit.call("intercepted", service=producer.handle)
        if len(found) == 4:
            break
        await asyncio.sleep(0.02)
    equal(sorted((each[0], each[2]) for each in found), sorted(_both()), "hooks")


def _both() -> list[tuple[str, str]]:
    return [(hook, body) for hook in ("pre", "post") for body in ("one-way", "async")]


@case("interceptors.push", f"{RULE}: preReceive, postReceive", CAN, "push")
async def push(kit: Kit) -> None:
    """Around a listener the hooks run."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.push(queue, interceptors=_two())
    await producer.send(queue)
    await consumer.messages(1)
    for _ in range(100):
        found = await _events(kit, consumer.handle)
        if len(found) == 4:
            break
        await asyncio.sleep(0.02)
    equal(found, [["pre", "a"], ["pre", "b"], ["post", "b"], ["post", "a"]], "hooks")


@case("interceptors.pull", f"{RULE}: pull receives are intercepted too", CAN)
async def pull(kit: Kit) -> None:
    """Around a pull receive the hooks run."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue, interceptors=[{"name": "a"}])
    await producer.send(queue)
    await consumer.one()
    equal(await _events(kit, consumer.handle), [["pre", "a"], ["post", "a"]], "hooks")


@case("interceptors.attributes", f"{RULE}: context.attributes", CAN)
async def attributes(kit: Kit) -> None:
    """What hooks leave in the context's attributes is there for the later hooks of the same message."""
    producer = await kit.producer(interceptors=_two())
    await producer.send(kit.queue())
    found = await kit.call("intercepted", service=producer.handle)
    that(found[-1][4] == "a+b", f"the last hook saw {found[-1][4]!r}")
