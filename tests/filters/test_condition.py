"""The table of conditions, which other implementations use too, on one message and on stored batches."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from openmessaging.filters import Condition, compile_condition
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from tests.model.vectors import load, untag

CASES = load("filters")["cases"]
REFUSED = load("filters")["refused"]


def properties_of(case: dict[str, Any]) -> dict[str, Any]:
    return {name: untag(value) for name, value in case["properties"].items()}


def selected(condition: Condition, records: list[Record]) -> list[int]:
    """Places that match when the records come out of a stored batch."""
    encoded = msgspec.msgpack.encode(records)
    if any(not any(part in encoded for part in needle) for needle in condition.needles):
        return []
    found = condition.decode(encoded)

    def header(name: str, at: int) -> Any:
        return found[at].message_key if name == "messageKey" else (found[at].headers or {}).get(name)

    return condition.select(found, 0, header)


def test_the_table_is_large() -> None:
    assert len(CASES) >= 300
    assert {case["is"] for case in CASES} == {True, False, None}
    assert len({(case["condition"], str(case["properties"]), str(case.get("header"))) for case in CASES}) >= 300


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['condition']} {case['properties']}")
def test_table(case: dict[str, Any]) -> None:
    condition, properties, headers = compile_condition(case["condition"]), properties_of(case), case.get("header", {})
    assert condition.evaluate(properties, headers.get) is case["is"]
    assert condition.matches(properties, headers.get) is (case["is"] is True)
    own = {name: value for name, value in headers.items() if name != "messageKey"}
    record = Record(b"body", headers.get("messageKey"), properties or None, own or None)
    bare = Record(b"body")
    empty = [2] if condition.matches(None) else []
    assert selected(condition, [record, record, bare]) == ([0, 1] if case["is"] is True else []) + empty


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["condition"])
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        compile_condition(case["condition"])
    failure = caught.value
    assert failure.code == case["code"]
    assert failure.field == case["field"]
    where, line, marks, what = failure.reason.split("\n")
    assert where.endswith(f"column {case['column']}:")
    assert what
    if "\n" not in case["condition"]:
        assert line == f"    {case['condition']}"
        assert marks.index("^") == 4 + case["column"] - 1
    assert failure.next_step


def test_several_texts_must_all_hold() -> None:
    condition = compile_condition("a || b", "weight > 5 OR weight IS NULL")
    assert condition.matches({"TAGS": "a"})
    assert not condition.matches({"TAGS": "a", "weight": 1})
    assert not condition.matches({"weight": 9})
    assert condition.text == "a || b AND weight > 5 OR weight IS NULL"


def test_it_says_what_it_looks_at() -> None:
    condition = compile_condition("a = 1 AND header.priority > 5 OR b = a")
    assert condition.properties == ("a", "b")
    assert condition.headers == ("priority",)


def test_asking_again_is_cheap() -> None:
    assert compile_condition("a = 1") is compile_condition("a = 1")


def test_needles() -> None:
    """A batch without these bytes holds no match."""
    needles = {
        "color = 'red' AND weight > 5": ((b"color",), (b"red",), (b"weight",)),
        "color IN ('a', 'b')": ((b"color",),),
        "color LIKE 'a%'": ((b"color",),),
        "color = 'red' OR weight > 5": (),
        "NOT color = 'red'": (),
        "color IS NULL": (),
        "größe = 'groß'": (("größe".encode(),), ("groß".encode(),)),
        "color = 'red' AND header.priority > 5": (),
    }
    assert {text: compile_condition(text).needles for text in needles} == needles


def test_who_does_not_filter_does_not_load_the_parser() -> None:
    program = (
        "import sys, openmessaging.blocking as oms\n"
        "with oms.connect('oms:memory:') as access_point:\n"
        "    with access_point.create_pull_consumer('q', 'g') as consumer: consumer.receive(timeout=0)\n"
        "    print('sqlglot' in sys.modules)\n"
        "    with access_point.create_pull_consumer('q', 'h', filter='a = 1'): pass\n"
        "    print('sqlglot' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
