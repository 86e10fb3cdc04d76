"""Strategies for what messages are made of."""

from hypothesis import strategies as st

from openmessaging.model.headers import FIELDS, Field
from openmessaging.model.message import Record

printable = st.text(min_size=1, max_size=40).filter(str.isprintable)
longs = st.integers(-(1 << 63), (1 << 63) - 1)
property_values = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.binary(max_size=40)
    | st.booleans()
    | longs
    | st.floats()
)
properties = st.dictionaries(printable, property_values, max_size=5)


def header_values(field: Field) -> st.SearchStrategy[str | int]:
    return printable if field.kind == "String" else st.integers(field.low, field.high)


def headers(names: list[str]) -> st.SearchStrategy[dict[str, str | int]]:
    return st.fixed_dictionaries({}, optional={name: header_values(FIELDS[name]) for name in names})


ALL_HEADERS = [name for name in FIELDS if name not in ("destination", "messageKey")]
records = st.builds(
    Record,
    data=st.binary(max_size=200),
    message_key=st.none() | printable,
    properties=st.none() | properties,
    headers=st.none() | headers(ALL_HEADERS),
)
