"""Order of keys, and parallel work beside it."""

from __future__ import annotations

import asyncio

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

RULE = "specification 1.0.0, message extension header: messageKey"
KEY = "key-order"


@case("order.key", RULE)
async def key(kit: Kit) -> None:
    """Messages of one key come in the order of their sending, whatever other keys do."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    for number in range(30):
        await producer.send(queue, str(number), key=f"k{number % 3}")
    by_key: dict[str, list[int]] = {}
    for each in await consumer.take(30):
        by_key.setdefault(str(each.header("messageKey")), []).append(int(each.text))
    that(all(found == sorted(found) for found in by_key.values()), f"order by key: {by_key}")


@case("order.one-in-flight", f"{RULE}; one message of a key in flight", KEY)
async def one_in_flight(kit: Kit) -> None:
    """With key order, the next message of a key comes after the one before is settled."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue, order="key", prefetch=1)
    await producer.send_many([message(queue, str(n), key="a") for n in range(3)])
    first = await consumer.one()
    await consumer.nothing()
    await consumer.ack(first)
    second = await consumer.one()
    equal((first.text, second.text), ("0", "1"), "order")


@case("order.other-keys", f"{RULE}; other keys in parallel", KEY)
async def other_keys(kit: Kit) -> None:
    """With key order, other keys go on while one is in flight."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue, order="key")
    await producer.send_many([message(queue, f"{k}{n}", key=k) for n in range(2) for k in "abc"])
    got = [await consumer.one() for _ in range(3)]
    equal(sorted(each.text for each in got), ["a0", "b0", "c0"], "what is in flight")


@case("order.redelivery", f"{RULE}; a failed message keeps its place", KEY)
async def redelivery(kit: Kit) -> None:
    """With key order, a message that failed comes before the later ones of its key."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue, order="key")
    await producer.send_many([message(queue, str(n), key="a") for n in range(3)])
    await consumer.nack(await consumer.one(), 0.2)
    seen = []
    for _ in range(3):
        got = await consumer.one()
        seen.append(got.text)
        await consumer.ack(got)
    equal(seen, ["0", "1", "2"], "order")


@case("order.two-consumers", f"{RULE}; one message of a key in flight per group", KEY)
async def two_consumers(kit: Kit) -> None:
    """With key order, two consumers never hold messages of one key at once."""
    queue = kit.queue()
    producer = await kit.producer()
    one = await kit.pull(queue, order="key", prefetch=1)
    two = await kit.pull(queue, order="key", prefetch=1)
    await producer.send_many([message(queue, str(n), key="a") for n in range(2)])
    taking = [asyncio.ensure_future(each.receive(1.0)) for each in (one, two)]
    got = [each for each in await asyncio.gather(*taking) if each is not None]
    equal([each.text for each in got], ["0"], "what is in flight")


@case("order.push-parallel", f"{RULE}; concurrency with order", KEY, "push")
async def push_parallel(kit: Kit) -> None:
    """A push consumer with key order works on keys side by side and on each in order."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, f"{k}{n}", key=k) for n in range(4) for k in "abcd"])
    push = await kit.push(queue, {"hold": True}, order="key", concurrency=8)
    await push.calls(4)
    await asyncio.sleep(0.2)
    equal(await push.most(), 4, "calls at once, for four keys")
    await kit.call("letGo", listener=push.listener)
    got = await push.messages(16)
    for letter in "abcd":
        own = [each.text for each in got if each.text.startswith(letter)]
        equal(own, [f"{letter}{n}" for n in range(4)], f"order of {letter}")


@case("order.without-key", f"{RULE}; messages without a key", KEY)
async def without_key(kit: Kit) -> None:
    """With key order, messages without a key do not wait for each other."""
    queue = kit.queue()
    producer = await kit.producer()
    consumer = await kit.pull(queue, order="key")
    await producer.send_many([message(queue, str(n)) for n in range(3)])
    got = [await consumer.one() for _ in range(3)]
    equal(sorted(each.text for each in got), ["0", "1", "2"], "what is in flight")
