import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.access_point import DEFAULT_PORTS, AccessPoint, check_version, is_loopback, parse
from openmessaging.model.errors import OMSRuntimeException
from tests.model.vectors import load

VECTORS = load("urls")


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["url"])
def test_valid_vectors(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    if "home" in case:
        monkeypatch.setenv("HOME", case["home"])
        monkeypatch.setenv("USERPROFILE", case["home"])
    found = parse(case["url"])
    assert found.url == case["url"]
    for name in ("driver", "account_id", "region", "namespace", "path"):
        assert getattr(found, name) == case[name]
    assert [list(pair) for pair in found.hosts] == case["hosts"]
    assert [list(pair) for pair in found.addresses] == case["addresses"]
    assert found.attributes().get("ACCESS_POINTS") == case["access_points"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["url"])
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        parse(case["url"])
    assert caught.value.code == VECTORS["invalid_code"]
    assert case["why"] in caught.value.reason
    driver = case["url"].split(":")[1] if case["url"].startswith("oms:") else ""
    right = caught.value.next_step.rpartition("A right one is ")[2].strip("`")
    parse(right)
    expected = driver if driver in ("embedded", "memory") and ":" in case["url"][4:] else "rocketmq"
    assert "control" in case["why"] or right.startswith(f"oms:{expected}:")


@pytest.mark.parametrize("case", VECTORS["versions"], ids=str)
def test_versions(case: dict[str, Any]) -> None:
    if case["code"] is None:
        check_version(case["implementation"], case["specification"])
        return
    with pytest.raises(OMSRuntimeException) as caught:
        check_version(case["implementation"], case["specification"])
    assert caught.value.code == case["code"]
    assert f"[{case['implementation']}]" in caught.value.reason
    assert ("X.Y.Z" if case["code"] == 10002 else "version 1.") in caught.value.next_step


@pytest.mark.parametrize("url", [None, 5, b"oms:memory:", ["oms:memory:"]])
def test_other_types(url: Any) -> None:
    with pytest.raises(OMSRuntimeException, match="it is no text") as caught:
        parse(url)
    assert caught.value.code == 10001


def test_default_ports() -> None:
    assert VECTORS["default_ports"] == DEFAULT_PORTS


def test_options_are_pointed_to_the_attributes() -> None:
    with pytest.raises(OMSRuntimeException, match=r"Options go into the attributes. A right one is"):
        parse("oms:kafka://h/r?tls=1")


def test_access_points_are_values() -> None:
    one = parse("oms:kafka://h/r")
    assert one == parse("oms:kafka://h/r")
    assert hash(one) == hash(parse("oms:kafka://h/r"))
    with pytest.raises(AttributeError):
        one.region = "x"  # type: ignore[misc]


def test_attributes_overwrite_the_callers() -> None:
    given = {"ACCESS_POINTS": "x", "REGION": "x", "ACCOUNT_ID": "x", "ACCOUNT_KEY": "k", "own": 1}
    assert parse("oms:rocketmq://alice@h:1, [::1]/us-east:n").attributes(given) == {
        "ACCESS_POINTS": "h:1,[::1]",
        "REGION": "us-east",
        "ACCOUNT_ID": "alice",
        "ACCOUNT_KEY": "k",
        "own": 1,
        "DRIVER_IMPL": "io.openmessaging.rocketmq.MessagingAccessPointImpl",
    }
    assert given["REGION"] == "x"


def test_attributes_that_the_url_does_not_say() -> None:
    attributes = parse("oms:memory:").attributes({"DRIVER_IMPL": "mine", "ACCOUNT_ID": "bob"})
    assert attributes == {"DRIVER_IMPL": "mine", "ACCOUNT_ID": "bob"}
    assert "ACCOUNT_ID" not in parse("oms:kafka://h/r").attributes()


words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
hosts = st.tuples(
    words | st.sampled_from(["::1", "2001:db8::1", "10.0.0.1", "a-b.c_d"]), st.none() | st.integers(1, 65535)
)


@given(
    driver=words.filter(lambda text: text[0].isalpha() and text not in ("embedded", "memory")),
    account=st.none() | words,
    listed=st.lists(hosts, min_size=1, max_size=4),
    blank=st.sampled_from(["", " ", "  "]),
    region=words,
    namespace=st.none() | words,
)
def test_what_is_written_is_read(
    driver: str,
    account: str | None,
    listed: list[tuple[str, int | None]],
    blank: str,
    region: str,
    namespace: str | None,
) -> None:
    texts = [(f"[{host}]" if ":" in host else host) + (f":{port}" if port else "") for host, port in listed]
    url = f"oms:{driver}://{account + '@' if account else ''}{(',' + blank).join(texts)}/{region}"
    url += f":{namespace}" if namespace else ""
    found = parse(url)
    assert found == AccessPoint(url, driver, tuple(listed), region, account, namespace, None)
    assert found.addresses == [(host, port or DEFAULT_PORTS.get(driver, 80)) for host, port in listed]
    assert found.attributes()["ACCESS_POINTS"] == ",".join(texts)


@given(st.text(st.sampled_from("oms:kafkaembeddedmemory/@,[]. ~\x00ä:"), max_size=30) | st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"oms:kafka://{text}", f"oms:embedded://{text}", f"oms:{text}"):
        try:
            assert parse(url).url == url
        except OMSRuntimeException as error:
            assert error.code == 10001


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%eth0", False),
        ("localhost", True),
        ("localhost.example.org", False),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
