"""The generated vectors are what the generator writes, and every vector file is read by a test."""

import importlib.util
from types import ModuleType

import google_crc32c
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model import batch
from tests.model.vectors import SPEC


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", SPEC / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


@pytest.mark.parametrize("name", generate.files())
def test_generated_files(name: str) -> None:
    assert (SPEC / "vectors" / name).read_bytes() == generate.files()[name].encode(), "run `python spec/generate.py`"


def test_every_file_is_listed() -> None:
    text = (SPEC / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in SPEC.rglob("*.json") if path.name not in text] == []


@given(st.binary(max_size=100))
def test_the_generators_crc(data: bytes) -> None:
    assert generate.crc32c(data) == google_crc32c.value(data)


scalars = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=40) | st.binary(max_size=40)
)


@given(
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20))
)
def test_the_generators_messagepack(value: object) -> None:
    assert generate.pack(value) == msgspec.msgpack.encode(value)


def test_the_format_page_has_every_field() -> None:
    text = (SPEC / "batch.md").read_text(encoding="utf-8")
    for field in batch.BatchHeader.__struct_fields__:
        assert f"| {field.replace('_', ' ')} |" in text
