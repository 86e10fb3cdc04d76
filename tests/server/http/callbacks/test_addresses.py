"""Where callbacks may not go: every way around the rules that is known."""

from __future__ import annotations

import pytest

from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.server.http.callbacks.addresses import Rules

ALL = Rules(["*", "*:*"])

FORBIDDEN = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "192.0.2.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "fec0::1", "100::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_not_public(address: str) -> None:
    with pytest.raises(OMSSecurityException) as caught:
        ALL.check([address])
    assert caught.value.code == 1403
    assert address not in str(caught.value)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address: str) -> None:
    assert [str(each) for each in ALL.check([address])]


def test_one_bad_address_condemns_the_name() -> None:
    assert len(ALL.check(["8.8.8.8", "1.1.1.1"])) == 2
    for addresses in (["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "::ffff:10.1.1.1"], []):
        with pytest.raises(OMSSecurityException):
            ALL.check(addresses)


def test_networks_that_are_allowed_all_the_same() -> None:
    rules = Rules(["*"], ["10.1.0.0/16", "fd00::/16"])
    for good in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::5", "8.8.8.8", "64:ff9b::a01:203"):
        rules.check([good])
    for bad in ("10.2.0.1", "::ffff:10.2.0.1", "fd01::5", "127.0.0.1", "fd01:1::5"):
        with pytest.raises(OMSSecurityException):
            rules.check([bad])


RULES = Rules(
    ["hooks.example.org", "*.shop.example", "other.example:8443", "203.0.113.7", "[2001:db8::1]:9000", "any.example:*"]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org", "https://hooks.example.org/a?b=c%20d", "https://HOOKS.example.org:443/",
        "https://a.shop.example/x", "https://a.b.shop.example/x", "https://other.example:8443/", "HTTPS://203.0.113.7/",
        "https://[2001:DB8::1]:9000/", "https://any.example:1/", "https://any.example/",
    ],
)  # fmt: skip
def test_urls_that_are_allowed(url: str) -> None:
    assert RULES.target(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/", "https://hooks.example.org:8443/", "https://shop.example/", "https://xshop.example/",
        "https://hooks.example.org.evil.example/", "https://evil.example/hooks.example.org", "https://other.example/",
        "https://evil.example/?hooks.example.org", "https://203.0.113.8/", "https://[2001:db8::1]/", "https://127.0.0.1/",
        "https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://a.shop.example.evil/",
    ],
)  # fmt: skip
def test_urls_that_are_not_allowed(url: str) -> None:
    with pytest.raises(OMSSecurityException) as caught:
        RULES.target(url)
    assert caught.value.code == 1403


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.org", "//hooks.example.org/", "ftp://hooks.example.org/", "file:///etc/passwd", "gopher://a/",
        "unix:/run/docker.sock", "https://", "https:///x", "https://user@hooks.example.org/", "https://hooks.example.org@evil.example/",
        "https://hooks.example.org#@evil.example/", "https://hooks.example.org\\@evil.example/", "https://hooks.example.org\t/",
        "https://hooks.example.org/ x", "https://hooks.example.org/\r\nhost: evil", "https://hooks.example.org:0/",
        "https://hooks.example.org:65536/", "https://hooks.example.org:x/", "https://höks.example.org/", "https://a..b/",
        "https://-a/", "https://[::1/", "https://[fe80::1%25eth0]/", "https://a_b!/",
        f"https://hooks.example.org/{'x' * 2048}", "https://.a.example/",
        "https://%6c%6f/",
    ],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        Rules(["*:*"]).target(url)
    assert (caught.value.code, caught.value.field) == (1418, "x-oms-callbackurl")


def test_plain_http_and_no_hosts() -> None:
    rules = Rules(["*"], plain_http=True)
    assert rules.target("http://a.example/").port == 80
    assert rules.target("https://a.example/").port == 443
    for url in ("http://a.example:8080/", "https://a.example:80/"):
        with pytest.raises(OMSSecurityException):
            rules.target(url)
    with pytest.raises(OMSSecurityException):
        Rules([]).target("https://a.example/")


@pytest.mark.parametrize(
    "pattern", ["", "a b", "a:b", "a:0", "a:99999", "a/b", "https://a", "*a", "*.*", "a:", "[::1", "é"]
)
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|has no port"):
        Rules([pattern])


def test_networks_that_are_none() -> None:
    with pytest.raises(ValueError, match="network"):
        Rules(["*"], ["private network"])
