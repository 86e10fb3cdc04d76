"""Sending one message."""

from __future__ import annotations

import asyncio

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

SEND = "runtime, producer: send"
ASYNC = "runtime, producer: sendAsync"
ONCE = "runtime, producer; council topic: idempotent sends"


@case("produce.result", SEND)
async def result(kit: Kit) -> None:
    """A send returns where the message lies, and how safe it is."""
    queue = kit.queue()
    found = await (await kit.producer()).send(queue)
    that(found["messageId"], "there is no message id")
    equal(found["destination"], f"default://{queue}", "destination")
    that(found["durability"] in ("memory", "fsync", "quorum"), f"durability {found['durability']!r}")


@case("produce.received", SEND)
async def received(kit: Kit) -> None:
    """What was sent before anyone listened is received by a new group."""
    queue = kit.queue()
    await (await kit.producer()).send(queue, b"early")
    equal((await (await kit.pull(queue)).one()).text, "early", "body")


@case("produce.many-senders", SEND)
async def many_senders(kit: Kit) -> None:
    """Fifty sends at once from five producers are all received once."""
    queue = kit.queue()
    producers = [await kit.producer() for _ in range(5)]
    await asyncio.gather(*(producers[n % 5].send(queue, str(n)) for n in range(50)))
    consumer = await kit.pull(queue)
    got = await consumer.take(50)
    equal(sorted(int(each.text) for each in got), list(range(50)), "bodies")
    await consumer.nothing()


@case("produce.sequence", SEND)
async def sequence(kit: Kit) -> None:
    """Messages that one producer sends one after the other to a queue of one partition come in that order."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    for number in range(20):
        await producer.send(queue, str(number))
    equal([int(each.text) for each in await consumer.take(20)], list(range(20)), "order")


@case("produce.partition", "specification 1.0.0, message extension header: partition", "admin")
async def partition(kit: Kit) -> None:
    """A message goes to the partition that it names."""
    queue = await kit.create(kit.queue(), 3)
    producer, consumer = await kit.producer(), await kit.pull(queue)
    found = await producer.send(queue, partition=2)
    equal(found["partition"], 2, "partition of the result")
    equal((await consumer.one()).header("partition"), 2, "partition on delivery")


@case("produce.partition-missing", "specification 1.0.0, message extension header: partition", "admin")
async def partition_missing(kit: Kit) -> None:
    """A partition that is not there is refused (1418)."""
    queue = await kit.create(kit.queue(), 2)
    producer = await kit.producer()
    async with kit.refused(1418, "OMSRuntimeException", "partition 7 of 2"):
        await producer.send(queue, partition=7)


@case("produce.key-partition", "specification 1.0.0, message extension header: messageKey", "admin")
async def key_partition(kit: Kit) -> None:
    """Messages of one key share a partition, whoever sends them; keys spread."""
    queue = await kit.create(kit.queue(), 4)
    one, two = await kit.producer(), await kit.producer()
    places: dict[str, set[int]] = {}
    for number in range(24):
        for producer in (one, two):
            found = await producer.send(queue, key=f"key {number}")
            places.setdefault(f"key {number}", set()).add(found["partition"])
    that(all(len(each) == 1 for each in places.values()), "a key went to two partitions")
    that(len({next(iter(each)) for each in places.values()}) > 1, "all keys went to one partition")


@case("produce.async", ASYNC, "async")
async def asynchronous(kit: Kit) -> None:
    """An asynchronous send gives a future of the result."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    future = await producer.do("sendAsync", message=message(queue, b"later"))
    found = await kit.call("future", future=future)
    that(found["isDone"] and not found["isCancelled"], "the future is not done")
    equal((await consumer.one()).id, found["result"]["messageId"], "message id")


@case("produce.async-error", ASYNC, "async")
async def asynchronous_error(kit: Kit) -> None:
    """A future raises what the send would have raised."""
    producer = await kit.producer()
    body = b"x" * (kit.facts["maxBodyBytes"] + 1) if kit.facts["maxBodyBytes"] <= 32 << 20 else b""
    if not body:
        from openmessaging.conformance.case import Skip

        raise Skip("the largest body is too large to be tried")
    future = await producer.do("sendAsync", message=message(kit.queue(), body))
    async with kit.refused(1413, "OMSMessageFormatException", "a body that is too large"):
        await kit.call("future", future=future)


@case("produce.async-order", ASYNC, "async")
async def asynchronous_order(kit: Kit) -> None:
    """Asynchronous sends of one producer keep their order in a partition."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    futures = [await producer.do("sendAsync", message=message(queue, str(n))) for n in range(100)]
    for each in futures:
        await kit.call("future", future=each)
    equal([int(each.text) for each in await consumer.take(100)], list(range(100)), "order")


@case("produce.flush", ASYNC, "async")
async def flush(kit: Kit) -> None:
    """After a flush, everything handed over before is stored."""
    queue = kit.queue()
    producer = await kit.producer(linger=0.2)
    futures = [await producer.do("sendAsync", message=message(queue, str(n))) for n in range(10)]
    await kit.call("flush", service=producer.handle)
    consumer = await kit.pull(queue)
    equal(len(await consumer.take(10, 5.0)), 10, "messages")
    await kit.call("future", future=futures[-1], timeout=0.5)


@case("produce.once-key", ONCE, "unique", "admin")
async def once_key(kit: Kit) -> None:
    """Two messages sent once under one key within the window are stored once, and the second result says so."""
    queue = await kit.create(kit.queue(), deduplication_window=60.0)
    producer, consumer = await kit.producer(), await kit.pull(queue)
    first = await producer.do("sendOnce", message=message(queue, b"a"), key="invoice 17")
    second = await producer.do("sendOnce", message=message(queue, b"b"), key="invoice 17")
    equal((first["duplicate"], second["duplicate"]), (False, True), "duplicate")
    equal(second["messageId"], first["messageId"], "message id of the duplicate")
    equal([each.text for each in await consumer.take(1)], ["a"], "bodies")
    await consumer.nothing()


@case("produce.once-sequence", ONCE, "unique")
async def once_sequence(kit: Kit) -> None:
    """A named producer's number is stored once, also over its own restart."""
    queue = kit.queue()
    name = kit.group("producer")
    producer = await kit.producer(name=name)
    await producer.do("sendOnce", message=message(queue, b"1"), sequence=1)
    await kit.call("release", handle=producer.handle)
    again = await kit.producer(name=name)
    equal(await again.do("lastSequence", queue=queue), 1, "last sequence")
    found = await again.do("sendOnce", message=message(queue, b"1 again"), sequence=1)
    that(found["duplicate"], "number 1 was stored again")
    await again.do("sendOnce", message=message(queue, b"2"), sequence=2)
    consumer = await kit.pull(queue)
    equal([each.text for each in await consumer.take(2)], ["1", "2"], "bodies")


@case("produce.once-fenced", ONCE, "unique")
async def once_fenced(kit: Kit) -> None:
    """When a second producer takes a name, the first one is refused (1409)."""
    queue, name = kit.queue(), kit.group("producer")
    first = await kit.producer(name=name)
    await first.send(queue, b"mine")
    second = await kit.producer(name=name)
    await second.send(queue, b"mine now")
    async with kit.refused(1409, "OMSRuntimeException", "the first producer's send"):
        await first.send(queue, b"still mine")


@case("produce.once-needs-window", ONCE, "unique", "admin")
async def once_needs_window(kit: Kit) -> None:
    """A key on a queue without a window is refused (1418)."""
    queue = await kit.create(kit.queue())
    producer = await kit.producer()
    async with kit.refused(1418, "OMSRuntimeException", "a key without a window"):
        await producer.do("sendOnce", message=message(queue), key="k")


@case("produce.exactly-once-named", "specification 1.0.0, message header: qos 2", "unique")
async def exactly_once(kit: Kit) -> None:
    """A named producer sends with qos 2, and the message arrives."""
    queue = kit.queue()
    producer, consumer = await kit.producer(name=kit.group("producer")), await kit.pull(queue)
    await producer.send(queue, b"once", qos=2)
    equal((await consumer.one()).text, "once", "body")
