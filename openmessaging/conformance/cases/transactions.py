"""Prepared messages, and transactions over queues and acknowledgements."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit, message

PREPARE = "runtime, producer: prepare"
CHECK = "runtime, transaction state check listener"
WHOLE = "features: atomic batch, transactions"
CAN = "transactions"


@case("transactions.commit", PREPARE, CAN)
async def commit(kit: Kit) -> None:
    """A prepared message is invisible until it is committed; then it comes, with its id and transaction id."""
    queue = kit.queue()
    producer, consumer = await kit.producer(check="unknown"), await kit.pull(queue)
    prepared = await producer.do("prepare", message=message(queue, b"maybe"))
    await consumer.nothing()
    await kit.call("commit", transaction=prepared["transaction"])
    got = await consumer.one()
    found = (got.text, got.id, got.header("transactionId"))
    equal(found, ("maybe", prepared["messageId"], prepared["transactionId"]), "body, id, transaction id")


@case("transactions.rollback", PREPARE, CAN)
async def rollback(kit: Kit) -> None:
    """A prepared message that is rolled back never comes."""
    queue = kit.queue()
    producer, consumer = await kit.producer(check="unknown"), await kit.pull(queue)
    prepared = await producer.do("prepare", message=message(queue))
    await kit.call("rollback", transaction=prepared["transaction"])
    await consumer.nothing()


@case("transactions.idempotent", PREPARE, CAN)
async def idempotent(kit: Kit) -> None:
    """Committing again is no error, and delivers nothing more; so is rolling back again."""
    queue = kit.queue()
    producer, consumer = await kit.producer(check="unknown"), await kit.pull(queue)
    one = await producer.do("prepare", message=message(queue, b"1"))
    two = await producer.do("prepare", message=message(queue, b"2"))
    for _ in range(2):
        await kit.call("commit", transaction=one["transaction"])
        await kit.call("rollback", transaction=two["transaction"])
    await consumer.take(1)
    await consumer.nothing()


@case("transactions.opposite", PREPARE, CAN)
async def opposite(kit: Kit) -> None:
    """Rolling back what was committed, and the reverse, is a transaction error."""
    queue = kit.queue()
    producer = await kit.producer(check="unknown")
    one = await producer.do("prepare", message=message(queue))
    two = await producer.do("prepare", message=message(queue))
    await kit.call("commit", transaction=one["transaction"])
    await kit.call("rollback", transaction=two["transaction"])
    async with kit.refused(None, "OMSTransactionException", "a rollback after the commit"):
        await kit.call("rollback", transaction=one["transaction"])
    async with kit.refused(None, "OMSTransactionException", "a commit after the rollback"):
        await kit.call("commit", transaction=two["transaction"])


@case("transactions.needs-listener", PREPARE, CAN)
async def needs_listener(kit: Kit) -> None:
    """A producer without a listener cannot prepare."""
    producer = await kit.producer()
    async with kit.refused(None, "OMSTransactionException", "prepare without a listener"):
        await producer.do("prepare", message=message(kit.queue()))


async def _checked(kit: Kit, answer: str) -> tuple[str, list[str]]:
    queue = kit.queue()
    times = {"first": 0.2, "interval": 0.3, "limit": 2, "expire": 60.0}
    producer_id = kit.group("id")
    producer = await kit.producer(check=answer, check_times=times, producer_id=producer_id)
    prepared = await producer.do("prepare", message=message(queue, b"asked"))
    asked = await producer.do("checks", count=1, timeout=10.0)
    that(asked, "the listener was not asked within 10 s")
    equal(asked[0], prepared["transactionId"], "transaction id asked about")
    return queue, asked


@case("transactions.check-commit", CHECK, CAN)
async def check_commit(kit: Kit) -> None:
    """Without a decision the listener is asked, and its commit delivers the message."""
    queue, _ = await _checked(kit, "commit")
    equal((await (await kit.pull(queue)).one()).text, "asked", "body")


@case("transactions.check-rollback", CHECK, CAN)
async def check_rollback(kit: Kit) -> None:
    """Its rollback drops the message."""
    queue, _ = await _checked(kit, "rollback")
    await (await kit.pull(queue)).nothing(0.8)


@case("transactions.check-unknown", CHECK, CAN)
async def check_unknown(kit: Kit) -> None:
    """A listener that does not know is asked again, as often as was set; then the message is dropped."""
    queue = kit.queue()
    times = {"first": 0.1, "interval": 0.2, "limit": 2, "expire": 60.0}
    producer = await kit.producer(check="unknown", check_times=times, producer_id=kit.group("id"))
    await producer.do("prepare", message=message(queue))
    equal(len(await producer.do("checks", count=2, timeout=10.0)), 2, "times asked")
    await (await kit.pull(queue)).nothing(1.0)


@case("transactions.check-raise", CHECK, CAN)
async def check_raise(kit: Kit) -> None:
    """A listener that raises counts as one that does not know."""
    queue = kit.queue()
    times = {"first": 0.1, "interval": 0.2, "limit": 5, "expire": 60.0}
    producer = await kit.producer(check="raise", check_times=times, producer_id=kit.group("id"))
    await producer.do("prepare", message=message(queue))
    that(len(await producer.do("checks", count=2, timeout=10.0)) >= 2, "it was not asked again")


@case("transactions.check-other", CHECK, CAN)
async def check_other(kit: Kit) -> None:
    """When the producer is gone, another one of its producer id is asked."""
    queue = kit.queue()
    times = {"first": 0.4, "interval": 0.3, "limit": 15, "expire": 60.0}
    first = await kit.producer(check="unknown", check_times=times, producer_id=kit.group("id"))
    await first.do("prepare", message=message(queue, b"inherited"))
    await kit.call("release", handle=first.handle)
    await kit.producer(check="commit", check_times=times, producer_id=kit.group("id"))
    equal((await (await kit.pull(queue)).one()).text, "inherited", "body")


@case("transactions.all-or-none", WHOLE, CAN)
async def all_or_none(kit: Kit) -> None:
    """What a transaction sends to several queues comes with its commit, and not before."""
    one, two = kit.queue("one"), kit.queue("two")
    producer = await kit.producer()
    first, second = await kit.pull(one, kit.group("1")), await kit.pull(two, kit.group("2"))
    transaction = await kit.handle("begin", producer=producer.handle)
    await kit.call("transactionSend", transaction=transaction, message=message(one, b"1"))
    await kit.call("transactionSend", transaction=transaction, message=message(two, b"2"))
    await first.nothing()
    await kit.call("commit", transaction=transaction)
    equal(((await first.one()).text, (await second.one()).text), ("1", "2"), "bodies")


@case("transactions.ack", WHOLE, CAN)
async def acknowledge(kit: Kit) -> None:
    """A transaction acknowledges what was received together with what it sends."""
    source, target = kit.queue("in"), kit.queue("out")
    producer = await kit.producer()
    consumer = await kit.pull(source, invisible_time=1.5)
    await producer.send(source, b"in")
    got = await consumer.one()
    transaction = await kit.handle("begin", producer=producer.handle)
    await kit.call("transactionSend", transaction=transaction, message=message(target, b"out"))
    await kit.call("transactionAck", transaction=transaction, consumer=consumer.handle, receipts=[got.receipt])
    await kit.call("commit", transaction=transaction)
    equal((await (await kit.pull(target, kit.group("out"))).one()).text, "out", "body")
    await consumer.nothing(2.0)


@case("transactions.rolled-back", WHOLE, CAN)
async def rolled_back(kit: Kit) -> None:
    """A transaction that is rolled back sends nothing, and its messages come again."""
    source, target = kit.queue("in"), kit.queue("out")
    producer = await kit.producer()
    consumer = await kit.pull(source, invisible_time=1.0)
    await producer.send(source, b"in")
    got = await consumer.one()
    transaction = await kit.handle("begin", producer=producer.handle)
    await kit.call("transactionSend", transaction=transaction, message=message(target))
    await kit.call("transactionAck", transaction=transaction, consumer=consumer.handle, receipts=[got.receipt])
    await kit.call("rollback", transaction=transaction)
    await (await kit.pull(target, kit.group("out"))).nothing()
    equal((await consumer.one()).text, "in", "what comes again")


@case("transactions.late-ack", WHOLE, CAN, "lease")
async def late_ack(kit: Kit) -> None:
    """A transaction whose lease is over by its commit is refused whole (1418)."""
    source, target = kit.queue("in"), kit.queue("out")
    producer = await kit.producer()
    consumer = await kit.pull(source, invisible_time=0.6)
    await producer.send(source, b"in")
    got = await consumer.one()
    transaction = await kit.handle("begin", producer=producer.handle)
    await kit.call("transactionSend", transaction=transaction, message=message(target))
    await kit.call("transactionAck", transaction=transaction, consumer=consumer.handle, receipts=[got.receipt])
    await consumer.one()
    async with kit.refused(1418, None, "the commit"):
        await kit.call("commit", transaction=transaction)
    await (await kit.pull(target, kit.group("out"))).nothing()
