"""The access point: the URL that says which messaging system, where, and as whom.

    oms:<driver>://[account@]host[:port][,host[:port]…]/<region>[:namespace]      a server
    oms:embedded://PATH                                                           a directory, path as a shell reads it
    oms:memory:[NAME]                                                             this process, for tests

The driver ends at the first colon, the account at the first `@`; the region starts after the last slash. Nothing is
percent-decoded, and there are no options: they belong in the attributes.

Source: specification 1.0.0, "access point"; the splits are those of the Java interface; embedded and memory are this
project's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from openmessaging.model.destination import check_namespace
from openmessaging.model.errors import OMSRuntimeException, error

DEFAULT_PORT = 80
DEFAULT_PORTS = {
    "oms": 7667,
    "kafka": 9092,
    "rocketmq": 8081,
    "pulsar": 6650,
    "rabbitmq": 5672,
    "nats": 4222,
    "redis": 6379,
    "mqtt": 1883,
    "https": 443,
}
"""Ports by driver where a URL gives none; any other driver has `DEFAULT_PORT`."""

SERVER_EXAMPLE = "oms:rocketmq://alice@rocketmq.apache.org/us-east"
EMBEDDED_EXAMPLE = "oms:embedded://./orders"
MEMORY_EXAMPLE = "oms:memory:orders"

_NAME_MARKS = frozenset("+-._")
_HOST_MARKS = frozenset("-._~%")
_MAX_PORT = 65535


class AccessPoint(msgspec.Struct, frozen=True):
    """A parsed access point URL."""

    url: str
    """The URL as given."""
    driver: str
    """The messaging system: `embedded`, `memory`, `kafka`…"""
    hosts: tuple[tuple[str, int | None], ...] = ()
    """Hosts with their ports (None: not given), IPv6 addresses without brackets; empty for embedded and memory."""
    region: str | None = None
    account_id: str | None = None
    namespace: str | None = None
    """The namespace to start in, None when the URL names none."""
    path: str | None = None
    """Directory of an embedded store (`~` expanded), or name of a memory store (perhaps empty)."""

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Hosts and ports to connect to, the driver's default port filled in."""
        default = DEFAULT_PORTS.get(self.driver, DEFAULT_PORT)
        return [(host, default if port is None else port) for host, port in self.hosts]

    def attributes(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The caller's attributes, overwritten by those the URL sets: ACCESS_POINTS, REGION, ACCOUNT_ID.

        What the URL does not say stays the caller's or absent. DRIVER_IMPL is the caller's if given. ACCOUNT_KEY comes
        from the caller only.
        """
        hosts = ",".join(_written(host, port) for host, port in self.hosts)
        said = {"ACCESS_POINTS": hosts or self.path, "REGION": self.region, "ACCOUNT_ID": self.account_id}
        return {
            "DRIVER_IMPL": f"io.openmessaging.{self.driver}.MessagingAccessPointImpl",
            **(given or {}),
            **{name: value for name, value in said.items() if value},
        }


def parse(url: str) -> AccessPoint:
    """Parse an access point URL.

    Raises OMSRuntimeException 10001 saying what is wrong, with a right example.
    """
    if not isinstance(url, str) or any(mark < " " or mark == "\x7f" for mark in url):
        raise _illegal(repr(url), "it is no text, or holds control characters")
    if not url.startswith("oms:"):
        raise _illegal(url, "it does not begin with `oms:`")
    driver, colon, rest = url[4:].partition(":")
    if not _is_driver(driver) or not colon:
        raise _illegal(url, "no driver after `oms:`")
    if driver == "memory":
        if "/" in rest:
            raise _illegal(url, "a memory store has no path", example=MEMORY_EXAMPLE)
        return AccessPoint(url, driver, path=rest)
    if not rest.startswith("//"):
        raise _illegal(url, f"no `://` after `{driver}`", example=_example(driver))
    if driver == "embedded":
        return AccessPoint(url, driver, path=_directory(url, rest[2:]))
    return _parse_server(url, driver, rest[2:])


def check_version(implementation: str, specification: str) -> None:
    """Check that a driver fits the standard: versions are X.Y.Z[-pre], major and minor must be equal.

    Raises OMSRuntimeException 10002 for a version that is none, 10003 for one that does not fit.
    """
    ours, theirs = _version(specification), _version(implementation)
    if ours != theirs:
        raise error(
            10003,
            f"implementation version [{implementation}] not compatible with specification version [{specification}]",
            next_step=f"Install a driver of version {ours[0]}.{ours[1]}",
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _parse_server(url: str, driver: str, rest: str) -> AccessPoint:
    authority, _, last = rest.rpartition("/")
    region, colon, namespace = last.partition(":")
    if not region:
        raise _illegal(url, "no region after the last slash")
    if not _is_plain(region):
        raise _illegal(url, f"{region!r} is no region", step="Options go into the attributes")
    account, at, hosts = authority.partition("@")
    if not at:
        account, hosts = "", authority
    elif not account.strip() or not account.isprintable():
        raise _illegal(url, "the account before `@` is empty or not printable")
    return AccessPoint(
        url,
        driver,
        hosts=tuple(_host(url, text.strip()) for text in hosts.split(",")),
        region=region,
        account_id=account or None,
        namespace=_namespace(url, namespace) if colon else None,
    )


def _namespace(url: str, text: str) -> str:
    try:
        return check_namespace(text)
    except OMSRuntimeException as cause:
        raise _illegal(url, cause.reason) from cause


def _host(url: str, text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        colon, port = tail[:1], tail[1:]
        valid = bool(bracket) and colon in ("", ":") and _is_ipv6(host)
    else:
        host, colon, port = text.partition(":")
        valid = bool(host) and all(mark.isalnum() or mark in _HOST_MARKS for mark in host)
    if not valid:
        raise _illegal(url, f"{text!r} is no host" if text else "a host is missing")
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= _MAX_PORT):
        raise _illegal(url, f"{port!r} is no port (1 to {_MAX_PORT})")
    return host, int(port)


def _is_ipv6(text: str) -> bool:
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _directory(url: str, text: str) -> str:
    if not text.strip():
        raise _illegal(url, "no directory after `://`", example=EMBEDDED_EXAMPLE)
    if not text.startswith("~"):
        return text
    from pathlib import Path

    try:
        return str(Path(text).expanduser())
    except RuntimeError as cause:
        raise _illegal(url, f"no home directory for {text!r}", example=EMBEDDED_EXAMPLE) from cause


def _written(host: str, port: int | None) -> str:
    text = f"[{host}]" if ":" in host else host
    return text if port is None else f"{text}:{port}"


def _is_driver(text: str) -> bool:
    return text.isascii() and text[:1].isalpha() and all(mark.isalnum() or mark in _NAME_MARKS for mark in text)


def _is_plain(text: str) -> bool:
    return text.isprintable() and not any(mark in text for mark in " ?#\\@,")


def _example(driver: str) -> str:
    return EMBEDDED_EXAMPLE if driver == "embedded" else SERVER_EXAMPLE


def _version(text: str) -> tuple[int, int]:
    numbers, dash, pre = text.partition("-")
    parts = numbers.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts) or (dash and not pre):
        raise error(10002, f"implementation version [{text}] illegal", next_step="It is written X.Y.Z, as 1.0.0")
    return int(parts[0]), int(parts[1])


def _illegal(url: object, what: str, *, step: str = "", example: str = SERVER_EXAMPLE) -> OMSRuntimeException:
    right = f"A right one is `{example}`"
    return error(10001, f"[{url}] {what}", next_step=f"{step}. {right}" if step else right)
