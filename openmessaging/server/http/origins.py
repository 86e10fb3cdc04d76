"""Pages of other sites, in a browser on this machine, must not use a server that lets everybody on this machine in.

A page may send requests to any address that its reader can reach (CSRF): its browser names the page in `Origin`, or
says `Sec-Fetch-Site`. A page may also let its own name stand for this machine's address (DNS rebinding): then that name
is in `Host`. Programs send neither, and name the host they connect to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from openmessaging.model.access_point import is_loopback
from openmessaging.model.errors import OMSRuntimeException, error

_REMEMBERED = 1000
_PAGES = ("/ui", "/favicon.ico")
"""What a link on another site may lead to: the dashboard."""


class Origins:
    """Decides which hosts and pages are this server's own.

    Args:
        trusted: names of hosts, each with or without a port, that are too, as `broker.example.org`.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = frozenset(name.lower() for name in trusted)
        self._good: set[tuple[str | None, str | None, str | None]] = set()

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raises OMSSecurityException 1403 for a request that is for another host, or of a page of another site."""
        shown = host, origin, site = headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site")
        if shown in self._good:
            return
        if host is not None and not self._own(host):
            raise _refused(f"this server is not known as {host:.200}", "host")
        if origin is not None and not self._same(origin, host or ""):
            raise _refused(f"pages of {origin:.200} may not use this server", "origin")
        if site in ("cross-site", "same-site") and origin is None:
            follows = method == "GET" and headers.get("sec-fetch-mode") == "navigate" and path.startswith(_PAGES)
            if not follows:
                raise _refused("pages of other sites may not use this server", "sec-fetch-site")
        elif len(self._good) < _REMEMBERED:
            self._good.add(shown)

    def _own(self, host: str) -> bool:
        name = _name(host)
        return is_loopback(name.removesuffix(".")) or self._trusts(host, name)

    def _same(self, origin: str, host: str) -> bool:
        place = origin.lower().partition("://")[2]
        return place != "" and (place == host.lower() or self._trusts(place, _name(place)))

    def _trusts(self, place: str, name: str) -> bool:
        return not self._trusted.isdisjoint((place.lower(), name))


def _name(place: str) -> str:
    """The name, or the address, of `host:port`; empty when it is none."""
    try:
        return urlsplit(f"//{place}").hostname or ""
    except ValueError:
        return ""


def _refused(reason: str, field: str) -> OMSRuntimeException:
    step = "Programs: ask for localhost. Behind a proxy: name it in http.trusted_hosts, or give the server users"
    return error(1403, reason, next_step=step, field=field)
