"""Names and fields are what `spec/mappings/README.md` and its vectors say."""

from typing import Any

import pytest

from openmessaging.drivers.mapping import from_fields, to_fields
from openmessaging.drivers.naming import Naming
from openmessaging.model.message import Record
from tests.model.vectors import load, same, untag

VECTORS = load("mappings")


def case_id(case: dict[str, Any]) -> str:
    return str(case.get("name") or case["native"])


@pytest.mark.parametrize("case", VECTORS["names"], ids=case_id)
def test_names(case: dict[str, Any]) -> None:
    naming = Naming(case["allowed"])
    assert naming.native(case["queue"], case["partition"]) == case["native"]
    assert naming.full(case["native"]) == (case["queue"], case["partition"])


@pytest.mark.parametrize("native", VECTORS["not_ours"])
def test_names_of_others(native: str) -> None:
    assert Naming().full(native) is None


@pytest.mark.parametrize("case", VECTORS["messages"], ids=case_id)
def test_messages_both_ways(case: dict[str, Any]) -> None:
    properties, fields = untag(case["properties"]), [(name, text) for name, text in case["fields"]]
    assert to_fields(Record(b"body", "key", properties, case["headers"])) == fields
    read = from_fields(b"body", "key", fields)
    assert (read.data, read.message_key, read.headers or {}) == (b"body", "key", case["headers"])
    assert same(read.properties or {}, properties)


@pytest.mark.parametrize("case", VECTORS["foreign"], ids=case_id)
def test_what_others_wrote(case: dict[str, Any]) -> None:
    read = from_fields(b"", None, [(name, bytes.fromhex(data)) for name, data in case["fields"]])
    assert same(read.properties or {}, untag(case["properties"]))
    assert (read.headers or {}) == case["headers"]
