"""Signatures of callbacks: what is covered, what is refused, keys that change, and requests that are sent again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSSecurityException
from openmessaging.model.signature import SIGNATURE, TIMESTAMP, WINDOW, sign, signed_bytes, verify_callback
from tests.model.vectors import load

NOW = 1_700_000_000
KEYS = {"new": "n" * 32, "old": "o" * 32}
FIELDS = [
    ("x-oms-version", "1.0.0"),
    ("x-oms-h-destination", "default://orders"),
    ("x-oms-p-b", "2"),
    ("content-type", "application/octet-stream"),
    ("ce-id", "1"),
    (TIMESTAMP, str(NOW)),
]


def requested(fields: list[tuple[str, str]] = FIELDS, body: bytes = b"hello") -> list[tuple[str, str]]:
    return [*fields, (SIGNATURE, sign(KEYS, fields, body)), ("user-agent", "x"), ("host", "h")]


def test_vectors() -> None:
    for case in load("callbacks"):
        fields = [(name, value) for name, value in case["fields"]]
        body = bytes.fromhex(case["body"])
        assert signed_bytes(fields, body).decode() == case["signed"]
        assert sign(case["keys"], fields, body) == case["signature"]
        verify_callback([*fields, (SIGNATURE, case["signature"])], body, case["keys"], case["now"])


def test_either_key_will_do_and_no_other() -> None:
    for keys in (KEYS, {"new": KEYS["new"]}, {"old": KEYS["old"], "older": "x"}):
        verify_callback(requested(), b"hello", keys, NOW)
    for wrong in ({}, {"new": "wrong"}, {"other": KEYS["new"]}):
        with pytest.raises(OMSSecurityException, match="no key that is known"):
            verify_callback(requested(), b"hello", wrong, NOW)


def test_names_in_any_case_and_order_and_what_a_proxy_adds() -> None:
    came = [(name.title(), f" {value} ") for name, value in reversed(requested())]
    verify_callback([*came, ("X-Forwarded-For", "1.2.3.4")], b"hello", KEYS, NOW)


@pytest.mark.parametrize("name", [name for name, _ in FIELDS])
def test_a_field_that_was_changed_or_taken_away(name: str) -> None:
    for value in ("other", None):
        came = [(each, given if each != name else value) for each, given in requested()]
        with pytest.raises(OMSSecurityException):
            verify_callback([(each, given) for each, given in came if given is not None], b"hello", KEYS, NOW)


def test_what_was_added_or_changed() -> None:
    for extra in (("x-oms-h-priority", "9"), ("ce-subject", "x"), ("x-oms-version", "1.0.0"), ("X-OMS-P-B", "3")):
        with pytest.raises(OMSSecurityException):
            verify_callback([*requested(), extra], b"hello", KEYS, NOW)
    with pytest.raises(OMSSecurityException):
        verify_callback(requested(), b"hellO", KEYS, NOW)


def test_the_window_of_replays() -> None:
    for now in (NOW - WINDOW, NOW, NOW + WINDOW):
        verify_callback(requested(), b"hello", KEYS, now)
    for now in (NOW - WINDOW - 1, NOW + WINDOW + 1):
        with pytest.raises(OMSSecurityException, match="old"):
            verify_callback(requested(), b"hello", KEYS, now)
    verify_callback(requested(), b"hello", KEYS, NOW + 9, window=10)


@pytest.mark.parametrize("time", ["", "-1", "1e9", "9" * 13, "١٢٣", "soon"])
def test_times_that_are_none(time: str) -> None:
    fields = [(name, value) for name, value in FIELDS if name != TIMESTAMP]
    with pytest.raises(OMSSecurityException, match="no time"):
        verify_callback([*fields, (TIMESTAMP, time)], b"hello", KEYS, NOW)


@pytest.mark.parametrize("signature", ["", "=", "new=", "new", "new=0,old=1", "é=é", "new=é"])
def test_signatures_that_are_none(signature: str) -> None:
    with pytest.raises(OMSSecurityException, match="no key"):
        verify_callback([*FIELDS, (SIGNATURE, signature)], b"hello", KEYS, NOW)


lines = st.lists(st.tuples(st.sampled_from(["x-oms-p-a", "x-oms-p-b", "ce-a"]), st.text("ab:", max_size=3)), max_size=3)


@given(lines, st.binary(max_size=4), lines, st.binary(max_size=4))
def test_no_two_requests_are_signed_as_one(
    one: list[tuple[str, str]], first: bytes, other: list[tuple[str, str]], second: bytes
) -> None:
    same = sorted(one) == sorted(other) and first == second
    assert (signed_bytes(one, first) == signed_bytes(other, second)) == same


def test_vectors_are_for_others_too() -> None:
    assert json.dumps(load("callbacks")).isascii()
