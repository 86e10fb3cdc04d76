"""The message: its parts, types and values, as sent and as received."""

from __future__ import annotations

from typing import Any

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Got, Kit, message

PROPERTIES = "specification 1.0.0, types"
HEADER = "specification 1.0.0, message header"
EXTENSION = "specification 1.0.0, message extension header"
BODY = "specification 1.0.0, message data"


async def round_trip(kit: Kit, **parts: Any) -> Got:
    """What comes back of one message."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    await producer.send(queue, **parts)
    return await consumer.one()


async def _property(kit: Kit, value: Any, name: str = "value") -> None:
    got = await round_trip(kit, properties={name: value})
    equal(got.properties.get(name), value, f"property {name!r}")


@case("model.body", BODY)
async def body(kit: Kit) -> None:
    """Every byte value of a body comes back."""
    equal((await round_trip(kit, body=bytes(range(256)))).body, bytes(range(256)), "body")


@case("model.body-empty", BODY)
async def body_empty(kit: Kit) -> None:
    """An empty body comes back as none."""
    equal((await round_trip(kit, body=b"")).body, b"", "body")


@case("model.body-large", BODY)
async def body_large(kit: Kit) -> None:
    """A body of 200 KB comes back."""
    sent = bytes(range(250)) * 800
    that((await round_trip(kit, body=sent)).body == sent, "the body came back changed")


@case("model.version", "specification 1.0.0, message version")
async def version(kit: Kit) -> None:
    """A message says which version of the standard it follows."""
    equal((await round_trip(kit)).document["message"]["version"], "1.0.0", "version")


@case("model.property-string", PROPERTIES)
async def property_string(kit: Kit) -> None:
    """A String property keeps its text, other scripts included."""
    await _property(kit, "grüße, 你好, مرحبا, 🙂")


@case("model.property-string-empty", PROPERTIES)
async def property_string_empty(kit: Kit) -> None:
    """An empty String property is there."""
    await _property(kit, "")


@case("model.property-string-like-number", PROPERTIES)
async def property_like_number(kit: Kit) -> None:
    """A String that looks like a number stays a String."""
    await _property(kit, "007")


@case("model.property-string-lines", PROPERTIES)
async def property_lines(kit: Kit) -> None:
    """A String property with line ends, quotation marks and percent signs comes back as it was."""
    await _property(kit, 'a\r\nb\t"c" 100% \\ %41;=,')


@case("model.property-binary", PROPERTIES)
async def property_binary(kit: Kit) -> None:
    """A Binary property comes back as Binary."""
    await _property(kit, {"binary": "AAEC/f7/"})


@case("model.property-boolean", PROPERTIES)
async def property_boolean(kit: Kit) -> None:
    """Boolean properties come back as Boolean."""
    got = await round_trip(kit, properties={"yes": True, "no": False})
    equal([got.properties.get("yes"), got.properties.get("no")], [True, False], "properties yes, no")
    that(got.properties["yes"] is True, "true came back as a number")


@case("model.property-integer", PROPERTIES)
async def property_integer(kit: Kit) -> None:
    """The ends of the 32-bit integers come back."""
    got = await round_trip(kit, properties={"low": -(1 << 31), "high": (1 << 31) - 1, "zero": 0})
    equal(got.properties, {"low": -(1 << 31), "high": (1 << 31) - 1, "zero": 0}, "properties")


@case("model.property-long", PROPERTIES)
async def property_long(kit: Kit) -> None:
    """The ends of the 64-bit integers come back exactly."""
    sent = {"low": {"long": str(-(1 << 63))}, "high": {"long": str((1 << 63) - 1)}}
    equal((await round_trip(kit, properties=sent)).properties, sent, "properties")


@case("model.property-double", PROPERTIES)
async def property_double(kit: Kit) -> None:
    """Floating-point numbers come back exactly."""
    sent = {"tenth": 0.1, "small": 5e-324, "large": 1.7976931348623157e308}
    got = (await round_trip(kit, properties=sent)).properties
    equal(got.get("tenth"), 0.1, "tenth")
    equal(got.get("small"), 5e-324, "small")
    that(got.get("large") in (1.7976931348623157e308, {"double": "1.7976931348623157e+308"}), f"large: {got}")


@case("model.property-double-whole", PROPERTIES)
async def property_double_whole(kit: Kit) -> None:
    """A floating-point number that is whole stays one."""
    await _property(kit, {"double": "2.0"})


@case("model.property-double-special", PROPERTIES)
async def property_double_special(kit: Kit) -> None:
    """Not-a-number and the infinities come back."""
    sent = {"nan": {"double": "NaN"}, "up": {"double": "Infinity"}, "down": {"double": "-Infinity"}}
    equal((await round_trip(kit, properties=sent)).properties, sent, "properties")


@case("model.property-name", PROPERTIES)
async def property_name(kit: Kit) -> None:
    """Property names keep their case and characters, and never collide."""
    sent = {"Color": "a", "color": "b", "with space": "c", "naïve": "d", "oms-messageId": "e", "x.y/z": "f"}
    equal((await round_trip(kit, properties=sent)).properties, sent, "properties")


@case("model.properties-many", PROPERTIES)
async def properties_many(kit: Kit) -> None:
    """A hundred properties come back."""
    sent = {f"name-{number}": f"value {number}" for number in range(100)}
    equal((await round_trip(kit, properties=sent)).properties, sent, "properties")


@case("model.property-too-big", PROPERTIES)
async def property_too_big(kit: Kit) -> None:
    """A number beyond 64 bits is a format error."""
    producer = await kit.producer()
    async with kit.refused(1400, "OMSMessageFormatException", "2^63"):
        await producer.send(kit.queue(), properties={"big": {"long": str(1 << 63)}})


@case("model.message-id", HEADER)
async def message_id(kit: Kit) -> None:
    """The message id is the same in the send result, on the sent message and on delivery; a sender's own is ignored."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue)
    answer = await producer.do("send", message=message(queue, b"x", message_id="mine"))
    given = answer["results"][0]["messageId"]
    that(given and given != "mine", f"the result's message id is {given!r}")
    equal(Got(answer["messages"][0]).id, given, "message id on the sent message")
    equal((await consumer.one()).id, given, "message id on delivery")


@case("model.message-id-unique", HEADER)
async def message_id_unique(kit: Kit) -> None:
    """Message ids of several producers are all different."""
    queue = kit.queue()
    one, two = await kit.producer(), await kit.producer()
    ids = [(await producer.send(queue))["messageId"] for producer in (one, two) for _ in range(20)]
    equal(len(set(ids)), 40, "different message ids")


@case("model.destination", HEADER)
async def destination(kit: Kit) -> None:
    """A received message says which queue it lies in, by its full name."""
    equal((await round_trip(kit)).header("destination"), f"default://{kit.queue()}", "destination")


@case("model.born-timestamp", HEADER)
async def born_timestamp(kit: Kit) -> None:
    """The born timestamp is a time during the send; a sender's own is ignored."""
    import time

    before = time.time_ns() // 1_000_000
    got = await round_trip(kit, born_timestamp=12345)
    born = got.header("bornTimestamp")
    that(isinstance(born, int) and before - 1000 <= born <= time.time_ns() // 1_000_000 + 1000, f"born at {born!r}")


@case("model.born-host", HEADER)
async def born_host(kit: Kit) -> None:
    """The born host is set."""
    that((await round_trip(kit)).header("bornHost"), "there is no born host")


@case("model.qos-default", HEADER)
async def qos_default(kit: Kit) -> None:
    """Without a qos, a message is delivered at least once (0)."""
    that((await round_trip(kit)).header("qos") in (None, 0), "qos is not 0")


@case("model.qos-at-most-once", HEADER)
async def qos_at_most_once(kit: Kit) -> None:
    """A message of qos 1 arrives with its qos, and is not delivered again."""
    queue = kit.queue()
    producer, consumer = await kit.producer(), await kit.pull(queue, invisible_time=1.0)
    await producer.send(queue, qos=1)
    equal((await consumer.one()).header("qos"), 1, "qos")
    await consumer.nothing(1.6)


@case("model.compression", HEADER, "compression")
async def compression(kit: Kit) -> None:
    """A compressed body is received decompressed."""
    queue = kit.queue()
    producer, consumer = await kit.producer(compression="zstd"), await kit.pull(queue)
    sent = b"again and " * 1000
    await producer.send(queue, sent)
    that((await consumer.one()).body == sent, "the body came back changed")


@case("model.message-key", EXTENSION)
async def message_key(kit: Kit) -> None:
    """The message key comes back."""
    equal((await round_trip(kit, key="Alice / Ä")).header("messageKey"), "Alice / Ä", "messageKey")


@case("model.correlation-id", EXTENSION)
async def correlation_id(kit: Kit) -> None:
    """The correlation id comes back."""
    equal((await round_trip(kit, correlation_id="order 17")).header("correlationId"), "order 17", "correlationId")


@case("model.trace-id", EXTENSION)
async def trace_id(kit: Kit) -> None:
    """The trace id comes back."""
    equal((await round_trip(kit, trace_id="4bf92f3577b34da6")).header("traceId"), "4bf92f3577b34da6", "traceId")


@case("model.store-timestamp", EXTENSION)
async def store_timestamp(kit: Kit) -> None:
    """When a message says when it was stored, that is not before it was born (clocks may differ a little)."""
    got = await round_trip(kit)
    stored = got.header("storeTimestamp")
    that(stored is None or stored >= got.header("bornTimestamp") - 1000, f"stored at {stored!r}")


@case("model.delivery-count", EXTENSION)
async def delivery_count(kit: Kit) -> None:
    """The first delivery counts 1."""
    equal((await round_trip(kit)).header("deliveryCount"), 1, "deliveryCount")


@case("model.priority-out-of-range", EXTENSION)
async def priority_out_of_range(kit: Kit) -> None:
    """A priority outside 1 to 10 is ignored."""
    equal((await round_trip(kit, priority=42)).header("priority"), None, "priority")


@case("model.provider-fields-ignored", EXTENSION)
async def provider_fields(kit: Kit) -> None:
    """Values of a sender for fields that only the provider sets are ignored."""
    got = await round_trip(kit, store_timestamp=1, delivery_count=99)
    that(got.header("storeTimestamp") != 1, "the sender's store timestamp was kept")
    equal(got.header("deliveryCount"), 1, "deliveryCount")


@case("model.unicode-everywhere", "specification 1.0.0, types: String")
async def unicode_everywhere(kit: Kit) -> None:
    """Key, correlation id, property name and text in any script arrive together."""
    got = await round_trip(kit, body="日本".encode(), key="键", correlation_id="ключ", properties={"имя": "値"})
    found = (got.text, got.header("messageKey"), got.header("correlationId"), got.properties)
    equal(found, ("日本", "键", "ключ", {"имя": "値"}), "what arrived")
