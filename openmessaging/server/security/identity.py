"""Who a client says it is, and who it turned out to be."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from openmessaging.model.access_point import is_loopback
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security.grants import Action, Grant, allowed
from openmessaging.server.security.quotas import Usage

HangUp = Callable[[OMSRuntimeException], object]
"""Ends what a client has open, with the reason."""
_REMEMBERED = 10_000
"""Resources whose check is remembered, per identity."""


class Credentials(msgspec.Struct, frozen=True):
    """What a client shows. `key` is a password, a token or a JWT (as HTTP's Basic and Bearer carry them)."""

    account: str = ""
    key: str = ""
    subject: str = ""
    """Of the certificate that the client has shown, as `subject_of` writes it."""
    peer: str = ""
    """The client's address; empty for a Unix socket."""
    secure: bool = False
    """Whether TLS protects the connection."""

    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, subject={self.subject!r}, peer={self.peer!r})"

    @property
    def local(self) -> bool:
        """Whether it comes from this machine."""
        return not self.peer or is_loopback(self.peer)

    @classmethod
    def of(cls, info: Callable[[str], Any], account: str = "", key: str = "") -> Credentials:
        """With what a transport knows; `info` is its `get_extra_info`."""
        return cls(account, key, subject_of(info("peercert")), peer_of(info), info("sslcontext") is not None)


class Identity:
    """A client that is known. One identity may have many connections.

    Args:
        name: the user's name, by which others know it; `local` without users.
        how: `local`, `password`, `token`, `certificate` or `jwt`.
        grants: what it may do.
        scope: what its token may do at most; None: all of it.
        everything: whether it may do everything, and nothing needs to be checked.
    """

    def __init__(
        self,
        name: str,
        how: str,
        grants: Iterable[Grant] = (),
        *,
        roles: Sequence[str] = (),
        peer: str = "",
        scope: Sequence[Grant] | None = None,
        token: str = "",
        proof: str = "",
        expires_ms: int | None = None,
        usage: Usage | None = None,
        everything: bool = False,
    ) -> None:
        self.name = name
        self.how = how
        self.peer = peer
        self.roles = tuple(roles)
        self.token = token
        """Id of the token it came with; empty with any other proof."""
        self.proof = proof
        """The hash of the password, or the subject, that it was known by."""
        self.claimed: tuple[str, ...] = ()
        """Roles that its JWT gives it."""
        self.expires_ms = expires_ms
        self.everything = everything
        self.usage = usage
        self.ended: OMSRuntimeException | None = None
        """Set when it may do nothing any more: its user or token is gone, or its time is over."""
        self.passed: dict[int, set[str]] = {action: set() for action in Action}
        """By action, the resources for which it was allowed before."""
        self.guards: dict[object, Any] = {}
        """By driver, the guard that it has."""
        self.open: set[HangUp] = set()
        """How its connections are ended."""
        self._grants = tuple(grants)
        self._scope = scope

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, {self.how!r}, peer={self.peer!r})"

    def mask(self, resource: str) -> int:
        """The actions that it may do with a resource, as bits. Raises what ended it."""
        if self.ended is not None:
            raise self.ended
        if self.everything:
            return ~0
        found = allowed(self._grants, resource)
        return found if self._scope is None else found & allowed(self._scope, resource)

    def somewhere(self, action: int) -> bool:
        """Whether it may do something anywhere."""
        parts = (self._grants,) if self._scope is None else (self._grants, tuple(self._scope))
        return self.everything or all(any(grant.actions & action for grant in part) for part in parts)

    def note(self, action: int, resource: str) -> bool:
        """Remember that it may; True for the first time."""
        passed = self.passed[action]
        if resource in passed:
            return False
        if len(passed) >= _REMEMBERED:
            passed.clear()
        passed.add(resource)
        return True

    def regrant(self, grants: Iterable[Grant], roles: Sequence[str], scope: Sequence[Grant] | None) -> None:
        """Its rights have changed."""
        self._grants, self.roles, self._scope = tuple(grants), tuple(roles), scope
        self._forget()

    def end(self, reason: OMSRuntimeException) -> None:
        """It may do nothing any more; its connections are hung up on."""
        self.ended = reason
        self._forget()
        for hang_up in list(self.open):
            hang_up(reason)

    def _forget(self) -> None:
        for passed in self.passed.values():
            passed.clear()


def peer_of(info: Callable[[str], Any]) -> str:
    """A client's address, empty for a Unix socket alone: one that hung up before it could be asked is `unknown`."""
    name, connection = info("peername"), info("socket")
    if isinstance(name, tuple) and name:
        return str(name[0])
    unix = getattr(socket, "AF_UNIX", None)
    return "" if unix is not None and getattr(connection, "family", None) == unix else "unknown"


def subject_of(certificate: Mapping[str, Any] | None) -> str:
    """The subject of a client's certificate, most significant part first, as `CN=alice` or `O=Shop,CN=alice`; empty
    without one. Commas and backslashes in values are escaped by a backslash, so that no value can pass for two."""
    if not certificate:
        return ""
    parts = [pair for group in certificate.get("subject", ()) for pair in group]
    return ",".join(f"{_SHORT.get(name, name)}={_escaped(value)}" for name, value in parts)


_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
