"""Conditions in SQL over properties."""

from __future__ import annotations

from typing import Any

from openmessaging.conformance.case import case, equal
from openmessaging.conformance.kit import Kit, message

RULE = "specification 1.0.0, resources: filter"
CAN = "filter"


async def _passing(kit: Kit, sql: str, properties: list[Any]) -> list[int]:
    """Which of messages with these properties a group with a condition gets."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, filter=sql)
    await producer.send_many([message(queue, str(n), properties=each) for n, each in enumerate(properties)])
    await producer.send(queue, b"end", properties={"end": True})
    got: list[int] = []
    while True:
        each = await consumer.one()
        await consumer.ack(each)
        if each.text == "end":
            return got
        got.append(int(each.text))


async def _check(kit: Kit, sql: str, expected: list[int], properties: list[Any]) -> None:
    equal(await _passing(kit, f"({sql}) OR end = TRUE", properties), expected, f"messages that match {sql}")


@case("filters.equal", RULE, CAN)
async def equality(kit: Kit) -> None:
    """A text is compared."""
    await _check(kit, "color = 'red'", [0, 2], [{"color": "red"}, {"color": "blue"}, {"color": "red"}, {}])


@case("filters.numbers", RULE, CAN)
async def numbers(kit: Kit) -> None:
    """Numbers are compared by value, whole ones with broken ones."""
    values = [{"n": 1}, {"n": 5}, {"n": {"double": "5.0"}}, {"n": 5.5}, {"n": -7}]
    await _check(kit, "n >= 5", [1, 2, 3], values)


@case("filters.between", RULE, CAN)
async def between(kit: Kit) -> None:
    """BETWEEN includes both ends."""
    await _check(kit, "age BETWEEN 18 AND 23", [1, 2], [{"age": 17}, {"age": 18}, {"age": 23}, {"age": 24}])


@case("filters.in", RULE, CAN)
async def within(kit: Kit) -> None:
    """IN and NOT IN."""
    values = [{"c": "a"}, {"c": "b"}, {"c": "c"}, {}]
    await _check(kit, "c IN ('a', 'c')", [0, 2], values)


@case("filters.null", f"{RULE}; three-valued logic", CAN)
async def null(kit: Kit) -> None:
    """A property that is missing is NULL, and matches neither a comparison nor its opposite."""
    await _check(kit, "c IS NULL", [1], [{"c": "a"}, {"d": "a"}, {"c": "b"}])


@case("filters.null-not", f"{RULE}; three-valued logic", CAN)
async def null_not(kit: Kit) -> None:
    """NOT of a comparison with a missing property does not match."""
    await _check(kit, "NOT (c = 'a')", [2], [{"c": "a"}, {"d": "a"}, {"c": "b"}])


@case("filters.logic", RULE, CAN)
async def logic(kit: Kit) -> None:
    """AND binds before OR, and brackets before both."""
    values = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 2, "b": 1}]
    await _check(kit, "a = 1 OR a = 2 AND b = 2", [0, 1, 2], values)


@case("filters.quote", RULE, CAN)
async def quote(kit: Kit) -> None:
    """A quotation mark within a text is written twice."""
    await _check(kit, "name = 'O''Hara'", [0], [{"name": "O'Hara"}, {"name": "OHara"}])


@case("filters.types", f"{RULE}; types", CAN)
async def types(kit: Kit) -> None:
    """A text that looks like a number is no number."""
    await _check(kit, "n = 5", [0], [{"n": 5}, {"n": "5"}])


@case("filters.boolean", f"{RULE}; types", CAN)
async def boolean(kit: Kit) -> None:
    """Truth values are compared."""
    await _check(kit, "ok = TRUE", [0], [{"ok": True}, {"ok": False}, {"ok": 1}, {"ok": "true"}])


@case("filters.chain", "specification 1.0.0, use case 6", CAN)
async def chain(kit: Kit) -> None:
    """Keep students, then those from 18 to 23."""
    values: list[Any] = [
        {"tag": "Student", "age": 17},
        {"tag": "Student", "age": 20},
        {"tag": "Teacher", "age": 20},
    ]
    await _check(kit, "tag = 'Student' AND age BETWEEN 18 AND 23", [1], values)


@case("filters.bad", RULE, CAN)
async def bad(kit: Kit) -> None:
    """A condition that cannot be read is refused (1418)."""
    async with kit.refused(1418, "OMSRuntimeException", "a condition that is none"):
        consumer = await kit.pull(kit.queue(), filter="color = = 'red'")
        await consumer.receive(0.2)


@case("filters.queue", "runtime, resource manager: filter", CAN, "admin")
async def queue_filter(kit: Kit) -> None:
    """The condition of a queue counts for all its groups, and can be taken away."""
    queue = await kit.create(kit.queue())
    producer = await kit.producer()
    await kit.do("filter", queue=queue, sql="n > 1")
    equal(await kit.do("getFilter", queue=queue), "n > 1", "condition")
    one, two = await kit.pull(queue, kit.group("1")), await kit.pull(queue, kit.group("2"))
    await producer.send_many([message(queue, str(n), properties={"n": n}) for n in range(4)])
    for each in (one, two):
        equal([got.text for got in await each.take(2)], ["2", "3"], "bodies")
        await each.nothing()
    await kit.do("filter", queue=queue, sql="")
    equal(await kit.do("getFilter", queue=queue), None, "condition after it was taken away")
    await producer.send(queue, b"any", properties={"n": 0})
    equal((await one.one()).text, "any", "body without a condition")


@case("filters.queue-missing", "runtime, resource manager: filter", CAN, "admin")
async def queue_missing(kit: Kit) -> None:
    """A condition for a queue that is not there is refused (1404)."""
    async with kit.refused(1404, "OMSDestinationException", "a filter of a missing queue"):
        await kit.do("filter", queue=kit.queue("missing"), sql="n > 1")


@case("filters.lag", f"{RULE}; what does not match is passed over", CAN, "admin")
async def lag(kit: Kit) -> None:
    """What does not match holds nothing up: a group that got all its matches has no lag."""
    queue = await kit.create(kit.queue())
    producer, consumer = await kit.producer(), await kit.pull(queue, filter="n = 0")
    await producer.send_many([message(queue, str(n), properties={"n": n}) for n in range(50)])
    await consumer.take(1)
    await consumer.nothing()
    await kit.call("flush", service=consumer.handle)
    equal((await kit.do("describeGroup", queue=queue, group=kit.group()))["lag"], 0, "lag")
