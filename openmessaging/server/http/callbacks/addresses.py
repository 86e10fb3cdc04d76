"""Where a callback may go: which URLs the operator allows, and which addresses may be connected to at all.

A name says nothing about where it leads, so both are checked: the URL when it is registered and before each post, and
every address that its name has at that moment, right before one of them is connected to (`transport.py`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import shown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FIELD = "x-oms-callbackurl"
MAX_URL = 2048
_VISIBLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PORTS = {"https": 443, "http": 80}
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
"""Addresses of version 6 that a gateway turns into those of version 4 that they end with."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SPECIAL = tuple(map(ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10")))
"""Not public either; the standard library says so of some of them only, and not in every version."""


class Target(msgspec.Struct, frozen=True):
    """A URL, taken apart."""

    url: str
    scheme: str
    host: str
    """In lower case; an address of version 6 without brackets."""
    port: int


class Rules:
    """What the operator allows.

    Args:
        hosts: patterns of `HOST` or `HOST:PORT`: a name, `*.NAME` for all names below it, `*` for any, an address;
            without a port, that of the scheme; `:*` is any.
        networks: addresses that are not public and may be connected to all the same.
        plain_http: whether `http:` is allowed.

    Raises ValueError for a pattern or network that is none.
    """

    def __init__(self, hosts: Iterable[str], networks: Iterable[str] = (), plain_http: bool = False) -> None:
        self._patterns = [_pattern(text) for text in hosts]
        self._networks = [ipaddress.ip_network(text) for text in networks]
        self._plain_http = plain_http

    def target(self, url: str) -> Target:
        """The URL of a callback. Raises OMSRuntimeException 1418 for what is none, OMSSecurityException 1403 for one
        that the operator does not allow."""
        found = _parsed(url)
        if found.scheme == "http" and not self._plain_http:
            raise error(1403, "callbacks go to https only", next_step="Serve the URL with TLS", field=FIELD)
        default = _PORTS[found.scheme]
        if not any(_matches(name, found.host) and port in (None, found.port) for name, port in self._ports(default)):
            step = "Have the operator add it to hosts in [callbacks]"
            raise error(1403, f"{found.host}:{found.port} is not allowed for callbacks", next_step=step, field=FIELD)
        return found

    def _ports(self, default: int) -> Iterable[tuple[str, int | None]]:
        for name, port in self._patterns:
            yield name, default if port == "" else None if port == "*" else int(port)

    def check(self, addresses: Sequence[str]) -> list[Address]:
        """The addresses of a name, if every one of them may be connected to. A single one that may not condemns the
        name: who controls it could let it lead there at any moment.

        Raises OMSSecurityException 1403 without saying which address it was: that is nothing a client should learn.
        """
        found = [ipaddress.ip_address(text) for text in addresses]
        if not found or not all(self._may_be_reached(each) for each in found):
            raise error(1403, "its address is not allowed for callbacks", field=FIELD)
        return found

    def _may_be_reached(self, address: Address) -> bool:
        meant = _meant(address)
        return any(_within(each, self._networks) for each in meant) or all(_is_public(each) for each in meant)


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_private
    return address.is_global and not special and not _within(address, _SPECIAL)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(network.version == address.version and address in network for network in networks)


def _parsed(url: str) -> Target:
    if len(url) > MAX_URL or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise _no_url(url, f"it is empty, longer than {MAX_URL}, or holds blanks, backslashes or what is not ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as cause:
        raise _no_url(url, str(cause)) from cause
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise _no_url(url, "it begins with neither https: nor http:")
    if "@" in parts.netloc:
        raise _no_url(url, "it holds a user")
    if "#" in url:
        raise _no_url(url, "it holds a fragment")
    bracketed = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if not _HOST.fullmatch(bracketed) or ".." in bracketed or port == 0:
        raise _no_url(url, "its host or port is none")
    return Target(url, scheme, bracketed.strip("[]"), port or _PORTS[scheme])


def _no_url(url: str, reason: str) -> OMSRuntimeException:
    step = "Use https://HOST/PATH"
    return error(1418, f"{shown(url)} is no URL for callbacks: {reason}", next_step=step, field=FIELD)


def _pattern(text: str) -> tuple[str, str]:
    lowered = text.strip().lower()
    if lowered.startswith("["):
        host, bracket, rest = lowered[1:].partition("]")
        host, colon, port = host if bracket else "", rest[:1], rest[1:]
    elif lowered.count(":") > 1:
        host, colon, port = lowered, "", ""
    else:
        host, colon, port = lowered.partition(":")
    if colon and port != "*" and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port")
    name = host.removeprefix("*.")
    if host != "*" and not _HOST.fullmatch(f"[{name}]" if ":" in name else name):
        raise ValueError(f"{text!r} is no host; write hooks.example.org, *.example.org, or an address")
    return host, port


def _matches(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def _meant(address: Address) -> list[Address]:
    """An address, or the addresses of version 4 that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if any(address in network for network in _TRANSLATED) or (address in _COMPATIBLE and int(address) > 1):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]
