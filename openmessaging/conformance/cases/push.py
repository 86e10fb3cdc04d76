"""The push consumer."""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import QUIET, Kit, message

RULE = "runtime, push consumer"
PUSH = "push"
FAST = {"initial": 0.05, "jitter": 0.0, "maxDelivery": 5}


@case("push.calls", RULE, PUSH)
async def calls(kit: Kit) -> None:
    """The listener is called with each message, and what it handled does not come again."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    await producer.send_many([message(queue, str(n)) for n in range(10)])
    got = await push.messages(10)
    equal(sorted(int(each.text) for each in got), list(range(10)), "bodies")
    await kit.call("release", handle=push.handle)
    await (await kit.pull(queue)).nothing()


@case("push.order", f"{RULE}: one partition's messages one at a time and in order", PUSH)
async def order(kit: Kit) -> None:
    """Messages of one partition reach the listener one at a time and in order."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    for number in range(20):
        await producer.send(queue, str(number))
    got = await push.messages(20)
    equal([int(each.text) for each in got], list(range(20)), "order")
    equal(await push.most(), 1, "calls at once")


@case("push.raise-redelivers", f"{RULE}: a raise means redelivery", PUSH)
async def raise_redelivers(kit: Kit) -> None:
    """What a listener raised on comes again, and counts its deliveries."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"fail": 2}, backoff=FAST)
    await producer.send(queue, b"thrice")
    got = await push.messages(3)
    equal([each.count for each in got], [1, 2, 3], "delivery counts")


@case("push.batch", f"{RULE}: BatchMessageListener", PUSH)
async def batch(kit: Kit) -> None:
    """A batch listener gets several messages in a call, and no more than its batch size."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(30)])
    push = await kit.push(queue, batch=True, batch_size=10)
    found = await push.calls(30)
    equal(sum(map(len, found)), 30, "messages")
    that(max(map(len, found)) <= 10, "a call had more than 10 messages")
    that(max(map(len, found)) > 1, "every call had a single message")


@case("push.batch-success", f"{RULE}: BatchMessageListener, context.success", PUSH)
async def batch_success(kit: Kit) -> None:
    """In manual mode, what the listener names as success is done, and the rest comes again."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(3)])
    options: dict[str, Any] = {"ack": "manual", "invisible_time": 1.0, "max_processing": 1.0, "backoff": FAST}
    push = await kit.push(queue, {"first": True}, batch=True, batch_size=3, **options)
    got = await push.messages(4)
    counts: dict[str, int] = {}
    for each in got:
        counts[each.text] = counts.get(each.text, 0) + 1
    equal(counts.get("0"), 1, "deliveries of what was a success")
    that(max(counts.values()) > 1, "nothing of the rest came again")


@case("push.manual", f"{RULE}: context.ack", PUSH)
async def manual(kit: Kit) -> None:
    """In manual mode, what the context acknowledged does not come again."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"ack": True}, ack="manual", invisible_time=1.0)
    await producer.send(queue, b"once")
    await push.messages(1)
    await asyncio.sleep(1.5)
    equal(len(await push.messages(1)), 1, "deliveries")


@case("push.suspend", f"{RULE}: suspend, resume", PUSH)
async def suspend(kit: Kit) -> None:
    """Nothing new is received while the consumer is suspended, and all of it after it is resumed."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    await producer.send(queue, b"1")
    await push.messages(1)
    await push.do("suspend")
    equal(await push.do("isSuspended"), True, "isSuspended")
    await producer.send(queue, b"2")
    await asyncio.sleep(QUIET)
    equal(len(await push.messages(1)), 1, "messages while suspended")
    await push.do("resume")
    equal(await push.do("isSuspended"), False, "isSuspended")
    equal([each.text for each in await push.messages(2)], ["1", "2"], "messages")


@case("push.suspend-timeout", f"{RULE}: suspend(timeout)", PUSH)
async def suspend_timeout(kit: Kit) -> None:
    """A consumer that is suspended for a time resumes by itself."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    await push.do("suspend", timeout=0.3)
    await producer.send(queue, b"after")
    equal([each.text for each in await push.messages(1)], ["after"], "messages")


@case("push.resume-not-suspended", f"{RULE}: resume", PUSH)
async def resume_not_suspended(kit: Kit) -> None:
    """Resuming what is not suspended is an error."""
    push = await kit.push(kit.queue())
    async with kit.refused(1400, "OMSRuntimeException", "resume"):
        await push.do("resume")


@case("push.suspend-not-running", f"{RULE}: suspend", PUSH)
async def suspend_not_running(kit: Kit) -> None:
    """Suspending what is not running is an error."""
    push = await kit.push(kit.queue(), started=False)
    async with kit.refused(1503, "OMSRuntimeException", "suspend"):
        await push.do("suspend")


@case("push.rebind", f"{RULE}: binding again replaces the listener", PUSH)
async def rebind(kit: Kit) -> None:
    """Binding a queue again replaces its listener."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    await producer.send(queue, b"1")
    await push.messages(1)
    other = await push.do("bindListener", queues=[queue], listener={})
    await producer.send(queue, b"2")
    found = await kit.call("deliveries", listener=other, count=1, timeout=10.0)
    equal(len(found["calls"]), 1, "calls of the new listener")
    equal(len(await push.messages(1)), 1, "calls of the old listener")


@case("push.unbind", f"{RULE}: unbindQueue", PUSH)
async def unbind(kit: Kit) -> None:
    """No listener is called with anything new from a queue that was unbound."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue)
    await producer.send(queue, b"1")
    await push.messages(1)
    await push.do("unbindQueues", queues=[queue])
    await producer.send(queue, b"2")
    await asyncio.sleep(QUIET)
    equal(len(await push.messages(1)), 1, "messages")


@case("push.concurrency", f"{RULE}: a thread count setting", PUSH)
async def concurrency(kit: Kit) -> None:
    """With a concurrency of four, four listeners are at work at once, and not more."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(12)])
    push = await kit.push(queue, {"hold": True}, concurrency=4)
    await push.calls(4)
    await asyncio.sleep(0.1)
    equal(await push.most(), 4, "calls at once")
    await kit.call("letGo", listener=push.listener)
    equal(len(await push.messages(12)), 12, "messages")
    that(await push.most() <= 4, "more than four calls were at work at once")


@case("push.lease-renewed", f"{RULE}: within the consume timeout", PUSH, "lease", "extend-lease")
async def lease_renewed(kit: Kit) -> None:
    """A listener that takes longer than the invisible time keeps its message, within the consume timeout."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"hold": True}, invisible_time=1.0)
    other = await kit.pull(queue, invisible_time=1.0)
    await other.close()
    await producer.send(queue, b"slow")
    await push.messages(1)
    other = await kit.pull(queue, invisible_time=1.0)
    await other.nothing(2.5)
    await kit.call("letGo", listener=push.listener)
    await other.nothing(1.5)


@case("push.dead-letter", f"{RULE}; dead letters", PUSH, "dead-letter")
async def dead_letter(kit: Kit) -> None:
    """What always fails becomes a dead letter after its last delivery, and others go on."""
    queue = kit.queue()
    producer = await kit.producer()
    push = await kit.push(queue, {"fail": 99}, backoff={"initial": 0.05, "jitter": 0.0, "maxDelivery": 2})
    await producer.send(queue, b"poison")
    await push.messages(2)
    dead = await kit.pull(f"{queue}.{kit.group()}.dead-letter", group=kit.group("dead"))
    got = await dead.one()
    equal(got.text, "poison", "body of the dead letter")
    that("listener" in str(got.properties.get("dead-letter.reason", "")), f"its properties are {got.properties}")
