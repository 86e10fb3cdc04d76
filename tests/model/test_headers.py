from enum import IntEnum, StrEnum
from typing import Any

import pytest

from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.headers import (
    FIELDS,
    MAX_STRING_BYTES,
    NAMES,
    PROVIDER_FIELDS,
    ExtensionHeader,
    Header,
    check_header,
    read_field,
    shown,
)
from openmessaging.model.message import Message, Record
from tests.model.vectors import load, same, untag


def message() -> Message:
    return Message(Record(b""), "orders")


@pytest.mark.parametrize("case", load("messages")["headers"], ids=str)
def test_vectors(case: dict[str, Any]) -> None:
    name, value = case["name"], untag(case["value"])
    if "code" not in case:
        assert same(check_header(name, value), untag(case["gives"]))
        return
    with pytest.raises(OMSMessageFormatException) as caught:
        check_header(name, value)
    assert caught.value.code == case["code"]
    assert caught.value.field == name
    assert name in str(caught.value)


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_each_field_keeps_its_type_and_range(field: Any) -> None:
    if field.kind == "String":
        assert check_header(field.name, "x y") == "x y"
        wrong: list[Any] = [1, b"x", "", "\x1b", "\ud800", True]
    else:
        assert check_header(field.name, field.low) == field.low
        assert check_header(field.name, field.high) == field.high
        wrong = ["1", 1.0, True, b"1"]
        if field.name != "priority":
            wrong += [field.low - 1, field.high + 1]
    for value in wrong:
        with pytest.raises(OMSMessageFormatException) as caught:
            check_header(field.name, value)
        assert (caught.value.code, caught.value.field) == (1400, field.name)


def test_types_of_the_table() -> None:
    """The kinds bound the ranges: Integer is 32 bits, Long 64."""
    for field in FIELDS.values():
        bits = {"String": 63, "Integer": 31, "Long": 63}[field.kind]
        assert -(1 << bits) <= field.low <= field.high <= (1 << bits) - 1
    assert {name for name, field in FIELDS.items() if field.required} == {
        "messageId", "destination", "bornTimestamp", "bornHost"
    }  # fmt: skip
    assert {
        "messageId", "bornTimestamp", "bornHost", "storeTimestamp", "storeHost", "deliveryCount", "offset"
    } == PROVIDER_FIELDS  # fmt: skip


def test_a_long_string_is_a_header_too_large() -> None:
    assert MAX_STRING_BYTES == 1024
    assert check_header("messageKey", "x" * MAX_STRING_BYTES)
    assert check_header("messageKey", "ä" * (MAX_STRING_BYTES // 2))
    for text in ("x" * (MAX_STRING_BYTES + 1), "ä" * (MAX_STRING_BYTES // 2 + 1)):
        with pytest.raises(OMSMessageFormatException) as caught:
            check_header("messageKey", text)
        assert (caught.value.code, caught.value.field) == (1412, "messageKey")
        assert "1,02" in str(caught.value)


def test_subclasses_become_plain() -> None:
    class Key(StrEnum):
        ALICE = "alice"

    class Level(IntEnum):
        HIGH = 9

    assert type(check_header("messageKey", Key.ALICE)) is str
    assert type(check_header("priority", Level.HIGH)) is int


def test_errors_say_the_next_step() -> None:
    with pytest.raises(OMSMessageFormatException, match="The standard's name is messageKey"):
        check_header("message_key", "a")
    with pytest.raises(OMSMessageFormatException, match="go into the properties"):
        check_header("color", "a")
    with pytest.raises(OMSMessageFormatException, match="Name the queue"):
        check_header("destination", None)
    with pytest.raises(OMSMessageFormatException, match="qos: 3 is outside 0 to 2"):
        check_header("qos", 3)
    with pytest.raises(OMSMessageFormatException, match="Leave it unset"):
        check_header("traceId", "")


def test_durability_is_read_as_qos() -> None:
    assert read_field("durability", 0) == ("qos", 0)
    assert read_field("durability", 1) == ("qos", 1)
    assert read_field("durability", None) == ("qos", None)
    assert read_field("qos", 2) == ("qos", 2)
    for wrong in (2, -1, True, "0", 1.0):
        with pytest.raises(OMSMessageFormatException, match="Use qos") as caught:
            read_field("durability", wrong)
        assert caught.value.field == "durability"


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_views_have_every_field(field: Any) -> None:
    it = message()
    view = it.header if field.part == "header" else it.extension_header
    assert NAMES[field.attribute] == field.name
    value = "x" if field.kind == "String" else 2
    setattr(view, field.attribute, value)
    if field.provider:
        assert getattr(view, field.attribute) is None
        assert it.record.headers is None
    else:
        assert getattr(view, field.attribute) == it.get_header(field.name) == value
    if field.name != "destination":
        setattr(view, field.attribute, None)
        assert getattr(view, field.attribute) == field.default
        assert it.record.headers is None


def test_views_have_nothing_else() -> None:
    for view, part in ((Header, "header"), (ExtensionHeader, "extensionHeader")):
        attributes = {name for name in vars(view) if not name.startswith("_")}
        assert attributes == {field.attribute for field in FIELDS.values() if field.part == part}
        assert {getattr(view, name).name for name in attributes} == {NAMES[name] for name in attributes}
    with pytest.raises(AttributeError):
        message().header.priority = 5  # type: ignore[attr-defined]


def test_shown_is_short() -> None:
    assert shown("x") == "'x'"
    assert len(shown("x" * 78)) == 80
    assert len(shown("x" * 1000)) == 80
    assert shown("x" * 1000).endswith("...")


def test_a_value_in_an_error_text_has_at_most_80_characters() -> None:
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert shown("x" * 79) == f"'{'x' * 76}..."
