"""A test per rule of the standard's message chapter, with the place of the rule.

Source: specification 1.0.0, chapters "types", "message", "access point"; where that text is silent or contradicts
itself, the rule is this project's (docs/design/model.md).
"""

import json
from typing import Any

import pytest

from openmessaging.model.access_point import check_version, parse
from openmessaging.model.destination import full_name
from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException
from openmessaging.model.headers import FIELDS, check_header, read_field
from openmessaging.model.json_form import from_json, to_json
from openmessaging.model.key_value import KeyValue
from openmessaging.model.message import VERSION, Message, Record


def message() -> Message:
    return Message(Record(b"body"), "orders")


def refused(call: Any, *args: Any) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as caught:
        call(*args)
    return caught.value


# --- Types


def test_types_numeric_ranges() -> None:
    """Types: Short -2^15 to 2^15-1, Integer -2^31 to 2^31-1, Long -2^63 to 2^63-1."""
    for kind, bits in (("short", 15), ("int", 31), ("long", 63)):
        put = getattr(KeyValue(), f"put_{kind}")
        assert put("a", -(1 << bits)).get_long("a") == -(1 << bits)
        assert put("a", (1 << bits) - 1).get_long("a") == (1 << bits) - 1
        assert refused(put, "a", 1 << bits).field == "a"


def test_types_float_is_binary32_and_double_binary64() -> None:
    """Types: Float and Double are IEEE 754 binary32 and binary64."""
    assert KeyValue().put_float("a", 0.1).get_double("a") != 0.1
    assert KeyValue().put_double("a", 0.1).get_double("a") == 0.1
    assert isinstance(refused(KeyValue().put_float, "a", 1e39), OMSMessageFormatException)


def test_types_union_of_both_texts() -> None:
    """Types: no Boolean in the text, no Binary and Float in the Java interface; here all."""
    entries = KeyValue().put_boolean("a", True).put_binary("b", b"x").put_float("c", 0.5)
    assert (entries.get_boolean("a"), entries.get_binary("b"), entries.get_float("c")) == (True, b"x", 0.5)


def test_types_wrong_values_are_format_errors() -> None:
    """Types: no rule for bad values; out of range or wrong type raises the message-format exception."""
    assert isinstance(refused(check_header, "qos", "0"), OMSMessageFormatException)
    assert isinstance(refused(KeyValue().update, {"a": object()}), OMSMessageFormatException)


# --- Message


def test_message_has_five_parts() -> None:
    """Message: version, header, extensionHeader, properties, data; a "credential" is not one of them."""
    it = message()
    it.extension_header.priority = 4
    assert set(to_json(it)["message"]) == {"version", "header", "extensionHeader", "properties", "data"}


def test_message_version_is_that_of_the_standard() -> None:
    """Message: version, String, required, "1.0.0"."""
    assert message().version == VERSION == "1.0.0"


def test_message_properties_may_be_empty() -> None:
    """Message: properties are required and may be empty; data is optional."""
    document = to_json(Message(Record(b""), "orders"))["message"]
    assert document["properties"] == {}
    assert "data" not in document


# --- Header


@pytest.mark.parametrize("name", ["messageId", "bornTimestamp", "bornHost"])
def test_header_senders_value_is_ignored(name: str) -> None:
    """Header: messageId, bornTimestamp: a sender's value is ignored; bornHost is set on send."""
    it = message()
    it.set_header(name, "x" if FIELDS[name].kind == "String" else 1)
    assert it.get_header(name) is None


@pytest.mark.parametrize("name", ["messageId", "bornHost", "destination"])
def test_header_strings_are_not_empty(name: str) -> None:
    """Header: messageId and bornHost are non-empty."""
    assert refused(check_header, name, "").field == name


def test_header_qos() -> None:
    """Header: qos, Integer, default 0; 0 at least once, 1 at most once, 2 exactly once."""
    it = message()
    assert it.header.qos == 0
    for qos in (0, 1, 2):
        it.header.qos = qos
        assert it.header.qos == qos
    for qos in (-1, 3):
        assert refused(check_header, "qos", qos).code == 1400


def test_header_durability_reads_as_qos() -> None:
    """Header: qos replaced durability; an incoming durability 0 reads as qos 0, 1 as qos 1."""
    assert [read_field("durability", value) for value in (0, 1)] == [("qos", 0), ("qos", 1)]


def test_header_full_and_bare_names() -> None:
    """Header: full queue name `<namespace>://<queue>`; a bare name lies in the current namespace."""
    assert full_name("sales://orderQueue", "other") == "sales://orderQueue"
    assert full_name("orderQueue", "other") == "other://orderQueue"


# --- Extension header


@pytest.mark.parametrize("name", ["storeTimestamp", "storeHost", "deliveryCount", "offset"])
def test_extension_servers_fields_are_ignored_on_send(name: str) -> None:
    """Extension header: storeTimestamp, storeHost: ignored on send; offset: set by the server alone."""
    it = message()
    it.set_header(name, "x" if FIELDS[name].kind == "String" else 1)
    assert it.get_header(name) is None


@pytest.mark.parametrize(("given", "reads"), [(1, 1), (10, 10), (0, 5), (11, 5), (-7, 5), (1 << 40, 5), (None, 5)])
def test_extension_priority(given: int | None, reads: int) -> None:
    """Extension header: 1 lowest to 10 highest, default 5; outside that range ignored."""
    it = message()
    it.extension_header.priority = 3
    it.set_header("priority", given)
    assert it.extension_header.priority == reads


def test_extension_unset_times() -> None:
    """Extension header: delayTime unset: at once; expireTime unset, 0 or early: never, so any Long is accepted."""
    it = message()
    assert (it.extension_header.delay_time, it.extension_header.expire_time) == (None, None)
    for value in (0, -1, 1533780830000):
        it.extension_header.expire_time = value
        assert it.extension_header.expire_time == value


def test_extension_table_types() -> None:
    """Extension header: table types, not the Java interface's short for priority."""
    kinds = {name: field.kind for name, field in FIELDS.items() if field.part == "extensionHeader"}
    assert kinds == {
        "storeTimestamp": "Long", "storeHost": "String", "messageKey": "String", "correlationId": "String",
        "delayTime": "Long", "expireTime": "Long", "transactionId": "String", "traceId": "String",
        "deliveryCount": "Integer", "priority": "Integer", "partition": "Integer", "offset": "Long",
    }  # fmt: skip


# --- JSON


def test_json_names_are_camel_case() -> None:
    """JSON: names as in the tables, data as base64 text."""
    it = message()
    it.extension_header.correlation_id = "c"
    assert to_json(it) == {
        "message": {
            "version": "1.0.0",
            "header": {"destination": "orders"},
            "extensionHeader": {"correlationId": "c"},
            "properties": {},
            "data": "Ym9keQ==",
        }
    }


@pytest.mark.parametrize("value", [b"\x00", 1 << 62, -(1 << 63), 2.0, float("inf"), 0.1, True, "x"])
def test_json_keeps_type_and_value(value: Any) -> None:
    """JSON: Binary properties and 64-bit numbers keep type and value in both directions."""
    it = message()
    it.properties["a"] = value
    found = from_json(json.dumps(to_json(it))).properties["a"]
    assert (type(found), found) == (type(value), value)


def test_json_reads_headers_as_header() -> None:
    """JSON: the preview spelled the part `headers`; both are read."""
    document = to_json(message())
    document["message"]["headers"] = document["message"].pop("header")
    assert from_json(document).destination == "orders"


# --- Access point


def test_access_point_required_parts() -> None:
    """Access point: prefix, driver_type, one host and region are required, account and ports are not."""
    assert parse("oms:x://h/r").hosts == (("h", None),)
    for url in ("x://h/r", "oms://h/r", "oms:x:///r", "oms:x://h/", "oms:x://h"):
        assert refused(parse, url).code == 10001


def test_access_point_port_defaults_to_80() -> None:
    """Access point: port defaults to 80, unless the driver has its own."""
    assert parse("oms:x://h/r").addresses == [("h", 80)]
    assert parse("oms:kafka://h/r").addresses == [("h", 9092)]


def test_access_point_splits() -> None:
    """Access point: account ends at the first `@`, region starts after the last `/`, `:namespace` is cut off."""
    found = parse("oms:rocketmq://alice@rocketmq.apache.org, openmessaging.io/us-east:default_space")
    assert (found.account_id, found.region, found.namespace) == ("alice", "us-east", "default_space")
    assert found.hosts == (("rocketmq.apache.org", None), ("openmessaging.io", None))


def test_access_point_attributes() -> None:
    """Access point: attributes from the URL overwrite the caller's; a missing account is absent, never "null"."""
    found = parse("oms:x://h/r").attributes({"REGION": "other"})
    assert found == {"ACCESS_POINTS": "h", "REGION": "r", "DRIVER_IMPL": "io.openmessaging.x.MessagingAccessPointImpl"}
    assert parse("oms:x://h/r").attributes({"DRIVER_IMPL": "mine"})["DRIVER_IMPL"] == "mine"


def test_access_point_versions() -> None:
    """Access point: versions agree when major and minor are equal; the exact code is raised, not 10000."""
    check_version("1.2.2", "1.2.3")
    assert refused(check_version, "1.1.2", "1.2.3").code == 10003
    assert refused(check_version, "one", "1.2.3").code == 10002
