import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, OMSUnsupportException
from openmessaging.model.headers import FIELDS
from openmessaging.model.json_form import from_json, to_json
from openmessaging.model.message import Message, Record
from tests.model.values import ALL_HEADERS, headers, printable, properties
from tests.model.vectors import SPEC, load, same, untag

VECTORS = load("messages")
SCHEMA = jsonschema.Draft202012Validator(json.loads((SPEC / "message.schema.json").read_text(encoding="utf-8")))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)
    parts = SCHEMA.schema["properties"]["message"]["properties"]
    for field in FIELDS.values():
        assert field.name in parts[field.part]["properties"]
    assert sum(len(parts[part]["properties"]) for part in ("header", "extensionHeader")) == len(FIELDS)


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_valid_vectors(case: dict[str, Any]) -> None:
    for document in (case["document"], json.dumps(case["document"]), json.dumps(case["document"]).encode()):
        message = from_json(document)
        assert message.destination == case["destination"]
        assert message.data.hex() == case["data"]
        names = [name for name in FIELDS if name != "destination"]
        found = {name: value for name in names if (value := message.get_header(name)) is not None}
        assert same(found, untag(case["headers"]))
        assert same(dict(message.properties), untag(case["properties"]))
        assert (to_json(message) == case["document"]) == case["canonical"]
        SCHEMA.validate(to_json(message))


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_invalid_vectors(case: dict[str, Any]) -> None:
    text = case.get("text") or json.dumps(case["document"])
    for document in (text, text.encode(), case.get("document", text)):
        with pytest.raises(OMSRuntimeException) as caught:
            from_json(document)
        assert (caught.value.code, caught.value.field) == (case["code"], case["field"])
        assert case["field"].rpartition(".")[2] in str(caught.value)
        assert isinstance(caught.value, OMSUnsupportException if case["code"] == 1101 else OMSMessageFormatException)
    if "document" in case:
        assert not SCHEMA.is_valid(case["document"]) or "64 bits" in case["name"] or "binary64" in case["name"]


@pytest.mark.parametrize("document", [b"\xff\xfe", "[" * 100_000, "1", "null", '"\\ud800"', "", '{"message": 1e999}'])
def test_what_is_not_json(document: Any) -> None:
    with pytest.raises(OMSMessageFormatException) as caught:
        from_json(document)
    assert (caught.value.code, caught.value.field) == (1400, "document")


@pytest.mark.parametrize("part", ["version", "header", "properties"])
def test_what_is_missing_is_told_apart_from_what_is_wrong(part: str) -> None:
    right: dict[str, Any] = {"version": "1.0.0", "header": {"destination": "q"}, "properties": {}}
    with pytest.raises(OMSMessageFormatException, match=f"{part}: it is required"):
        from_json({"message": {name: value for name, value in right.items() if name != part}})
    with pytest.raises(OMSMessageFormatException, match=f"{part}: .* wanted, not 5"):
        from_json({"message": {**right, part: 5}})


def test_errors_are_short_and_name_the_next_step() -> None:
    document = {"message": {"version": "1.0.0", "header": {"destination": "q", "message_key": "a"}, "properties": {}}}
    with pytest.raises(OMSMessageFormatException, match=r"1400 bad request: header.message_key: .* name is messageKey"):
        from_json(document)
    with pytest.raises(OMSMessageFormatException, match="Its parts are data, extensionHeader, header") as caught:
        from_json({"message": {"body": "x" * 1000}})
    assert len(str(caught.value)) < 300


def test_the_providers_fields_stay_apart_from_the_senders() -> None:
    """A document that was received can be sent anew: its record carries nothing of the provider's."""
    message = from_json(VECTORS["valid"][0]["document"])
    assert message.message_id == "018f3a5b7c000000000001000000002a"
    assert message.offset == 17
    assert message.origin is not None
    assert not {name for name in message.record.headers or {} if FIELDS[name].provider}
    message.origin = None
    assert message.message_id is None
    assert "messageId" not in to_json(message)["message"]["header"]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_safe_integer_stays_plain(sign: int) -> None:
    message = Message(Record(b"", None, {"safe": sign * (2**53 - 1), "long": sign * 2**53}), "q")
    assert to_json(message)["message"]["properties"] == {
        "safe": sign * 9007199254740991,
        "long": {"long": f"{sign * 9007199254740992}"},
    }


def test_an_untagged_number_is_what_it_is_written_as() -> None:
    text = (
        '{"message": {"version": "1.0.0", "header": {"destination": "q"}, "properties": {"a": 2.0, "b": 2, "c": 1e3}}}'
    )
    assert same(dict(from_json(text).properties), {"a": 2.0, "b": 2, "c": 1000.0})


@given(
    data=st.binary(max_size=100),
    key=st.none() | printable,
    entries=properties,
    fields=headers([name for name in ALL_HEADERS if not FIELDS[name].provider]),
    destination=printable,
)
def test_round_trip(
    data: bytes, key: str | None, entries: dict[str, Any], fields: dict[str, Any], destination: str
) -> None:
    message = Message(Record(data, key, entries, fields or None), destination)
    document = to_json(message)
    SCHEMA.validate(document)
    again = from_json(json.dumps(document, allow_nan=False))
    assert (again.destination, again.data, again.message_key) == (destination, data, key)
    assert same(dict(again.properties), entries)
    assert (again.record.headers or {}) == fields
    assert to_json(again) == document


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["long", "double", "binary", "a"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["version", "header", "headers", "extensionHeader", "properties", "data"]), json_values
    ),
    st.sampled_from(["header", "extensionHeader", "properties", "data", "none"]),
    st.sampled_from([*FIELDS, "durability", ""]),
    json_values,
)
def test_any_document_is_read_or_refused(parts: dict[str, Any], part: str, name: str, value: Any) -> None:
    right = {"version": "1.0.0", "header": {"destination": "q"}, "properties": {}}
    for message in (parts, {**right, **parts}, {**right, part: {name: value}}, {**right, part: value}):
        try:
            SCHEMA.validate(to_json(from_json({"message": message})))
        except OMSRuntimeException as error:
            assert error.code in (1400, 1101, 1412)
            assert error.field
