import copy
import pickle
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given

from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.key_value import MAX_PROPERTIES_BYTES, KeyValue, check_size
from tests.model.values import properties
from tests.model.vectors import load, same, untag

VECTORS = load("key_values")


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: str(case["value"])[:20])
def test_valid_vectors(case: dict[str, Any]) -> None:
    value = untag(case["value"])
    entries = KeyValue({"k": value})
    assert msgspec.msgpack.encode(entries).hex() == case["msgpack"]
    assert same(dict(KeyValue(msgspec.msgpack.decode(bytes.fromhex(case["msgpack"])))), {"k": value})


@pytest.mark.parametrize("case", VECTORS["reads"], ids=str)
def test_typed_reads(case: dict[str, Any]) -> None:
    entries = KeyValue(k=untag(case["value"]))
    read = getattr(entries, f"get_{case['read']}")
    if "code" not in case:
        assert same(read("k"), untag(case["gives"]))
        return
    with pytest.raises(OMSMessageFormatException) as caught:
        read("k")
    assert (caught.value.code, caught.value.field) == (case["code"], "k")


@pytest.mark.parametrize("kind", VECTORS["missing"])
def test_missing_names_give_the_default(kind: str) -> None:
    read = getattr(KeyValue(), f"get_{kind}")
    assert same(read("k"), untag(VECTORS["missing"][kind]))
    assert read("k", "own") == "own"


@pytest.mark.parametrize(
    "put",
    [
        lambda target, name, value: KeyValue({name: value}),
        lambda target, name, value: KeyValue([(name, value)]),
        lambda target, name, value: KeyValue(**{name: value}),
        lambda target, name, value: target.__setitem__(name, value),
        lambda target, name, value: target.update({name: value}),
        lambda target, name, value: target.update([(name, value)]),
        lambda target, name, value: target.update(**{name: value}),
        lambda target, name, value: target.setdefault(name, value),
        lambda target, name, value: target.__ior__({name: value}),
        lambda target, name, value: KeyValue.fromkeys([name], value),
    ],
)
@pytest.mark.parametrize("case", VECTORS["invalid"], ids=str)
def test_every_way_in_is_checked(put: Callable[[KeyValue, str, Any], Any], case: dict[str, Any]) -> None:
    target = KeyValue(before=1)
    with pytest.raises(OMSMessageFormatException) as caught:
        put(target, case["name"], untag(case["value"]))
    assert caught.value.code == case["code"]
    assert caught.value.field in (case["name"], repr(case["name"]))
    assert target == {"before": 1}


@pytest.mark.parametrize("name", [1, b"a", None, ""])
def test_names_are_text(name: Any) -> None:
    with pytest.raises(OMSMessageFormatException, match="a property name"):
        KeyValue()[name] = 1


def test_update_is_all_or_nothing() -> None:
    target = KeyValue(a=1)
    with pytest.raises(OMSMessageFormatException):
        target.update({"a": 2, "b": None})  # type: ignore[arg-type]
    assert target == {"a": 1}


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(OMSMessageFormatException, match="surrogate"):
        KeyValue(a="\ud83d")
    assert KeyValue(a="\U0001f600")


def test_subclasses_become_plain() -> None:
    class Color(StrEnum):
        RED = "red"

    class Level(IntEnum):
        HIGH = 9

    class Number(float):
        pass

    class Blob(bytes):
        pass

    entries = KeyValue(a=Color.RED, b=Level.HIGH, c=Number(0.5), d=Blob(b"x"))
    assert same(dict(entries), {"a": "red", "b": 9, "c": 0.5, "d": b"x"})
    entries[Color.RED] = True
    assert type(list(entries)[-1]) is str


def test_puts_are_typed_and_chain() -> None:
    entries = (
        KeyValue()
        .put_boolean("a", True).put_short("b", -32768).put_int("c", 1 << 30).put_long("d", 1 << 62)
        .put_float("e", 0.1).put_double("f", 0.1).put_double("g", 5).put_string("h", "x").put_binary("i", b"x")
    )  # fmt: skip
    assert same(
        dict(entries),
        {
            "a": True,
            "b": -32768,
            "c": 1 << 30,
            "d": 1 << 62,
            "e": 0.10000000149011612,
            "f": 0.1,
            "g": 5.0,
            "h": "x",
            "i": b"x",
        },
    )
    assert entries.get_float("e") == entries.get_double("e")


@pytest.mark.parametrize(
    ("put", "value"),
    [
        ("boolean", 1), ("short", 1 << 15), ("short", True), ("short", 1.0), ("int", 1 << 31), ("int", -(1 << 31) - 1),
        ("long", 1 << 63), ("float", 1e300), ("float", "1"), ("float", True), ("double", (1 << 53) + 1),
        ("double", "1"), ("double", False), ("string", b"x"), ("binary", "x"), ("double", 1 << 63),
    ],
)  # fmt: skip
def test_puts_refuse(put: str, value: Any) -> None:
    entries = KeyValue()
    with pytest.raises(OMSMessageFormatException) as caught:
        getattr(entries, f"put_{put}")("k", value)
    assert (caught.value.code, caught.value.field) == (1400, "k")
    assert not entries


def test_errors_name_the_range() -> None:
    with pytest.raises(OMSMessageFormatException, match="k: 32768 is outside -32768 to 32767"):
        KeyValue().put_short("k", 32768)


def test_it_is_a_dict_and_stays_one_of_its_kind() -> None:
    entries = KeyValue(a=1)
    entries |= {"b": 2}
    assert entries.setdefault("a", 5) == 1
    assert entries.setdefault("c", 3) == 3
    assert entries == {"a": 1, "b": 2, "c": 3}
    assert entries.contains_key("a")
    assert not entries.contains_key("z")
    names = entries.key_set()
    del entries["a"]
    assert list(names) == ["b", "c"]
    for made in (
        entries,
        entries.copy(),
        copy.copy(entries),
        copy.deepcopy(entries),
        pickle.loads(pickle.dumps(entries)),
    ):
        assert type(made) is KeyValue
        assert made == {"b": 2, "c": 3}


@given(properties)
def test_round_trip(entries: dict[str, Any]) -> None:
    assert same(dict(KeyValue(msgspec.msgpack.decode(msgspec.msgpack.encode(KeyValue(entries))))), entries)


@pytest.mark.parametrize("unit", ["x", "ä", "\U0001f600"])
def test_limit_of_a_name(unit: str) -> None:
    longest = unit * (255 // len(unit.encode()))
    check_size({longest: 1})
    with pytest.raises(OMSMessageFormatException, match="the limit is 255") as caught:
        check_size({longest + unit: 1})
    assert (caught.value.code, caught.value.field) == (1411, longest + unit)


def test_limit_of_all() -> None:
    largest = {"a": b"x" * (MAX_PROPERTIES_BYTES - 6)}
    assert len(msgspec.msgpack.encode(largest)) == MAX_PROPERTIES_BYTES
    check_size(largest)
    check_size({})
    with pytest.raises(OMSMessageFormatException, match="65,537 bytes, the limit is 65,536") as caught:
        check_size({"a": largest["a"] + b"x"})
    assert (caught.value.code, caught.value.field) == (1411, "properties")
