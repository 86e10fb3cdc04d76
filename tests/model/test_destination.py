from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.destination import check_name, check_namespace, full_name, split_name, why_invalid
from openmessaging.model.errors import OMSRuntimeException
from tests.model.vectors import load


@pytest.mark.parametrize("case", load("urls")["destinations"], ids=str)
def test_vectors(case: dict[str, Any]) -> None:
    if "full" in case:
        assert full_name(case["text"], case["namespace"]) == case["full"]
        assert full_name(case["full"], "another") == case["full"]
        return
    with pytest.raises(OMSRuntimeException) as caught:
        full_name(case["text"], case["namespace"])
    assert (caught.value.code, caught.value.field) == (case["code"], case["field"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("a\n", "not printable"),
        ("\ud800", "not printable"),
        ("a/b", "looks like a path"),
        ("..", "looks like a path"),
        ("a ", "begins or ends with a blank"),
        ("x" * 256, "it has 256 bytes, the limit is 255"),
        ("ä" * 128, "it has 256 bytes, the limit is 255"),
    ],
)
def test_errors_say_why(text: str, why: str) -> None:
    with pytest.raises(OMSRuntimeException, match=why) as caught:
        check_name(text, "consumer group")
    assert (caught.value.code, caught.value.field) == (1418, "consumer group")
    assert "consumer group" in caught.value.reason
    assert "`orders`" in caught.value.next_step
    assert len(caught.value.reason) < 180


@pytest.mark.parametrize("text", ["x" * 255, "ä" * 127 + "x", "\U0001f600" * 63, "a b", "...", "%DLQ%a", "a:b"])
def test_valid_names(text: str) -> None:
    assert why_invalid(text) is None
    assert check_name(text, "queue") == text


@pytest.mark.parametrize("text", [None, 5, b"orders"])
def test_other_types(text: Any) -> None:
    for call in (full_name, check_namespace):
        with pytest.raises(OMSRuntimeException, match="not a str") as caught:
            call(text)
        assert caught.value.code == 1418


def test_the_namespace_is_the_current_one_unless_named() -> None:
    assert split_name("orders") == ("default", "orders")
    assert split_name("orders", "shop") == ("shop", "orders")
    assert split_name("shop://orders", "other") == ("shop", "orders")


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_full_name_reads_back(text: str, namespace: str) -> None:
    try:
        full = full_name(text, namespace)
    except OMSRuntimeException as error:
        assert error.code == 1418
    else:
        assert full.count("/") == 2
        assert full_name(full, "another") == full
