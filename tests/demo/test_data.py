import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openmessaging.demo.data import PACKED, Flight, pack, read, unpack
from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException

ROW: dict[str, Any] = {"date": "2001/01/01 00:47", "delay": 66, "distance": 1750, "origin": "DTW", "destination": "LAS"}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(content: str) -> str:
        path = tmp_path / "flights.json"
        path.write_text(content)
        return str(path)

    return write


def test_the_flights_of_the_package() -> None:
    flights = read(None)
    assert len(flights) == 20_000
    assert flights[0] == Flight(**ROW)
    assert flights[0].late
    assert not flights[2].late
    assert sum(flight.delay > 60 for flight in flights) == sum(flight.late for flight in flights) == 1_089


def test_the_file_in_the_package_is_compact() -> None:
    import openmessaging.demo

    packed = Path(openmessaging.demo.__file__).with_name(PACKED).read_bytes()
    assert len(packed) < 200_000
    flights = unpack(packed)
    assert unpack(pack(flights[:500])) == flights[:500]


def test_a_file(file: Callable[[str], str]) -> None:
    assert read(file(json.dumps([ROW, {**ROW, "more": 1}]))) == [Flight(**ROW)] * 2


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("date,delay\n1,2", 1400, "line 1, column 1"),
        ('[\n{"date": "a",\n"delay" 1}]', 1400, "line 3, column 9"),
        ('[{"more": ' + "[" * 100_000, 1400, "is not JSON"),
        ('[{"date": "\\ud800"}]', 1400, "is not JSON"),
        ("{}", 1418, "the document: Expected `array`"),
        ("[]", 1418, "holds no flights"),
        (json.dumps([ROW, {"date": "x"}]), 1418, "flight 2: Object missing required field `delay`"),
        (json.dumps([{**ROW, "delay": "late"}]), 1418, "flight 1, field delay: Expected `int`, got `str`"),
        (json.dumps([{**ROW, "origin": None}]), 1418, "flight 1, field origin"),
    ],
)
def test_a_wrong_file_says_where(file: Callable[[str], str], content: str, code: int, words: str) -> None:
    path = file(content)
    with pytest.raises(OMSRuntimeException) as raised:
        read(path)
    assert raised.value.code == code
    assert path in raised.value.reason
    assert words in raised.value.reason
    assert "JSON array" in raised.value.next_step
    assert isinstance(raised.value, OMSMessageFormatException) or code == 1418


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(OMSRuntimeException) as raised:
            read(str(path))
        assert raised.value.code == 1418
        assert str(path) in raised.value.reason
