import pickle
import re

import pytest

from openmessaging.model import errors
from openmessaging.model.errors import CODES, OMSRuntimeException, bad_format, error, unsupported

CLASSES = {
    1101: "OMSUnsupportException", 1401: "OMSSecurityException", 1402: "OMSMessageFormatException",
    1403: "OMSSecurityException", 1404: "OMSDestinationException", 1405: "OMSDestinationException",
    1406: "OMSDestinationException", 1407: "OMSDestinationException", 1410: "OMSTimeOutException",
    1411: "OMSMessageFormatException", 1412: "OMSMessageFormatException", 1413: "OMSMessageFormatException",
    1504: "OMSTimeOutException",
}  # fmt: skip


def test_every_code_of_the_standard() -> None:
    assert sorted(CODES) == [1101, 1200, *range(1400, 1419), *range(1500, 1505), *range(10000, 10004)]


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_class_and_its_text(code: int) -> None:
    it = error(code, "queue `a`", next_step="Create it", field="queue")
    assert type(it).__name__ == CLASSES.get(code, "OMSRuntimeException")
    assert (it.code, it.reason, it.next_step, it.field) == (code, "queue `a`", "Create it", "queue")
    assert str(it) == f"{code} {CODES[code]}: queue `a`. Create it"
    assert str(error(code, "x")) == f"{code} {CODES[code]}: x"


def test_an_unknown_code_is_still_told() -> None:
    assert str(OMSRuntimeException(9, "x")) == "9 unknown code: x"


def test_definite_and_retryable() -> None:
    assert {code for code in CODES if error(code, "").retryable} == {1410, 1502, 1503, 1504}
    assert {code for code in CODES if error(code, "").indefinite} == {1410, 1504}


def test_shorthands() -> None:
    it = bad_format("qos", "3 is too much", next_step="Use 2")
    assert (type(it).__name__, it.code, it.field) == ("OMSMessageFormatException", 1400, "qos")
    assert str(it) == "1400 bad request: qos: 3 is too much. Use 2"
    other = unsupported("seek", next_step="Use a stream")
    assert (type(other).__name__, other.code, other.field) == ("OMSUnsupportException", 1400, "seek")
    assert str(other) == "1400 bad request: seek is not supported here. Use a stream"


@pytest.mark.parametrize("code", [1404, 1410, 1500])
def test_errors_cross_processes(code: int) -> None:
    named = OMSRuntimeException(code=code, reason="x", next_step="y", field="z")
    for it in (error(code, "x", next_step="y", field="z"), named):
        again = pickle.loads(pickle.dumps(it))
        assert type(again) is type(it)
        assert (again.code, again.reason, again.next_step, again.field) == (code, "x", "y", "z")


def test_a_place_goes_in_front_and_the_rest_stays() -> None:
    it = error(1404, "x", next_step="y", field="z").located("here")
    assert type(it).__name__ == "OMSDestinationException"
    assert (it.code, it.reason, it.next_step, it.field) == (1404, "here: x", "y", "z")


def test_the_tree_in_the_docstring_is_complete() -> None:
    named = set(re.findall(r"OMS\w+Exception", errors.__doc__ or ""))
    assert named == {name for name in vars(errors) if name.startswith("OMS")}
