from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, OMSUnsupportException
from openmessaging.model.headers import FIELDS
from openmessaging.model.http_headers import from_headers, is_message_field, to_headers
from openmessaging.model.json_form import DocumentOrigin, from_json, to_json
from openmessaging.model.message import Message, Record
from tests.model.values import ALL_HEADERS, headers, printable, properties
from tests.model.vectors import load, same

VECTORS = load("http-binding")
latin = st.text(st.characters(max_codepoint=255))
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def pairs(fields: list[list[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fields]


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_valid_vectors(case: dict[str, Any]) -> None:
    message = from_headers(pairs(case["fields"]), bytes.fromhex(case["body"]))
    assert to_json(message) == case["message"]
    if case["canonical"]:
        written = to_headers(from_json(case["message"]))
        assert sorted(written) == sorted(pairs(case["fields"]))


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        from_headers(pairs(case["fields"]), b"")
    assert (caught.value.code, caught.value.field) == (case["code"], case["field"])
    assert case["field"] in str(caught.value)
    assert isinstance(caught.value, OMSUnsupportException if case["code"] == 1101 else OMSMessageFormatException)


@given(
    st.binary(max_size=40),
    printable,
    st.none() | printable,
    properties,
    headers([name for name in ALL_HEADERS if not FIELDS[name].provider]),
    headers([name for name in ALL_HEADERS if FIELDS[name].provider]),
)
def test_what_was_written_reads_back(
    body: bytes, destination: str, key: str | None, own: dict[str, Any], said: dict[str, Any], given: dict[str, Any]
) -> None:
    message = Message(Record(body, key, own or None, said or None), destination, DocumentOrigin(given))
    fields = to_headers(message)
    assert len({name for name, _ in fields}) == len(fields)
    for name, value in fields:
        assert set(name) <= TOKEN
        assert all("!" <= each <= "~" for each in value)
    shouted = [(name.upper(), f"  {value}\t") for name, value in fields]
    for came in (fields, shouted):
        found = from_headers(came, body)
        assert to_json(found) == to_json(message)
        assert same(dict(found.properties), dict(message.properties))


@given(printable, printable)
def test_two_names_never_collide(one: str, other: str) -> None:
    found = to_headers(Message(Record(b"", None, {one: "1", other: "2"}), "orders"))
    assert len({name.lower() for name, _ in found}) == 2 + len({one, other})


@given(st.lists(st.tuples(st.sampled_from(["x-oms-p-", "x-oms-h-", "x-oms-t-", "x-oms-", ""]), latin)))
def test_whatever_comes_is_read_or_refused_by_name(raw: list[tuple[str, str]]) -> None:
    fields = [(prefix + value[:9], value) for prefix, value in raw]
    try:
        message = from_headers([("x-oms-version", "1.0.0"), ("x-oms-h-destination", "orders"), *fields], b"")
    except OMSRuntimeException as failure:
        assert failure.code in (1400, 1412, 1101)
        assert failure.field is not None
        assert failure.field.startswith("x-oms-")
    else:
        assert to_json(from_headers(to_headers(message), b"")) == to_json(message)


def test_fields_that_are_ignored_are_not_even_read() -> None:
    fields = [("x-oms-version", "1.0.7"), ("x-oms-h-destination", "orders"), ("x-oms-h-storetimestamp", "soon")]
    assert from_headers(fields, b"", {"storeTimestamp"}).get_header("storeTimestamp") is None
    with pytest.raises(OMSMessageFormatException, match="x-oms-h-storetimestamp: a decimal integer"):
        from_headers(fields, b"")


def test_fields_of_others_are_told_apart() -> None:
    assert is_message_field("x-oms-p-a")
    assert not is_message_field("x-oms-version")
    assert not is_message_field("content-type")
