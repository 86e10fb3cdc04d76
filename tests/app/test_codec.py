"""Codecs: values to bodies and back."""

from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.app.codec import JsonCodec, MessagePackCodec, decoder, encode, is_pydantic

pydantic = pytest.importorskip("pydantic")
CODECS = [JsonCodec(), MessagePackCodec()]


class Order(msgspec.Struct):
    item: str
    quantity: int = 1


@dataclass
class Parcel:
    weight: float
    orders: list[Order]


class Address(TypedDict):
    street: str


class Customer(pydantic.BaseModel):
    name: str
    age: int


VALUES: list[tuple[Any, Any]] = [
    (Order, Order("pizza", 2)),
    (Parcel, Parcel(1.5, [Order("salad")])),
    (Address, {"street": "Main"}),
    (dict[str, int], {"a": 1}),
    (int | None, None),
    (Customer, Customer(name="alice", age=7)),
    (list[Customer], [Customer(name="bob", age=8)]),
    (Any, {"a": [1, 2.5, None, "x"]}),
]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.content_type)
@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda value: str(value)[:20])
def test_every_kind_of_value_comes_back(codec: Any, kind: Any, value: Any) -> None:
    assert decoder(codec, kind)(encode(codec, value)) == value


@given(st.binary(), st.text())
def test_bytes_and_text_go_as_they_are(data: bytes, text: str) -> None:
    for codec in CODECS:
        assert encode(codec, data) == data == decoder(codec, bytes)(data)
        assert encode(codec, text) == text.encode()
        assert decoder(codec, str)(text.encode()) == text


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.content_type)
@pytest.mark.parametrize("kind", [Order, Customer])
def test_a_wrong_field_is_named(codec: Any, kind: Any) -> None:
    wrong = {"item": "pizza", "quantity": "many", "name": "alice", "age": "old"}
    with pytest.raises(ValueError, match=r"\$\.quantity|age"):
        decoder(codec, kind)(codec.encode(wrong))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.content_type)
def test_what_cannot_be_written_is_told(codec: Any) -> None:
    with pytest.raises(TypeError, match="object"):
        codec.encode(object())


def test_pydantic_is_found_inside() -> None:
    assert is_pydantic(dict[str, list[Customer]])
    assert not is_pydantic(list[Order])
