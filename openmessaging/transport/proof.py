"""What a client shows of itself, from the attributes of its access point: the account's key, and TLS.

| attribute | meaning |
|---|---|
| `ACCOUNT_KEY` | password, token or JWT; or a function without arguments that gives it, called for each connection |
| `TLS` | True for the system's authorities, or an `ssl.SSLContext` |
| `TLS_AUTHORITY` | a PEM file of the authorities that sign servers' certificates, in place of the system's |
| `TLS_CERTIFICATE`, `TLS_KEY` | the client's own certificate and key, PEM files |
| `ALLOW_CLEARTEXT` | True: a key may go to another machine without TLS |
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openmessaging.model.access_point import is_loopback
from openmessaging.model.errors import error

ATTRIBUTES = ("ACCOUNT_KEY", "TLS", "TLS_AUTHORITY", "TLS_CERTIFICATE", "TLS_KEY", "ALLOW_CLEARTEXT")


def key_of(attributes: Mapping[str, Any]) -> Callable[[], str]:
    """Gives the account's key, empty when there is none; call it for each connection."""
    given = attributes.get("ACCOUNT_KEY") or ""
    if callable(given):
        return lambda: str(given())
    return lambda: str(given)


def tls_of(attributes: Mapping[str, Any], *, always: bool = False) -> ssl.SSLContext | None:
    """The context that attributes ask for; None when they ask for none, unless `always`.

    Raises OMSRuntimeException 1418 for files that cannot be read.
    """
    given = attributes.get("TLS")
    if isinstance(given, ssl.SSLContext):
        return given
    files = [str(attributes.get(f"TLS_{name}") or "") for name in ("AUTHORITY", "CERTIFICATE", "KEY")]
    if not (always or (given and str(given).lower() not in ("0", "false", "no")) or any(files)):
        return None
    authority, certificate, key = files
    try:
        context = ssl.create_default_context(cafile=authority or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        text = f"TLS: {', '.join(filter(None, files))}: {reason}"
        raise error(1418, text, next_step="Give PEM files", field="TLS") from failure
    return context


def check_cleartext(hosts: Iterable[str], tls: object, attributes: Mapping[str, Any]) -> None:
    """Whether the key may go out. Raises OMSRuntimeException 1418 where somebody on the way could read it."""
    if tls or not attributes.get("ACCOUNT_KEY") or attributes.get("ALLOW_CLEARTEXT"):
        return
    for host in hosts:
        if not is_loopback(host):
            step = "Set the attribute TLS (and TLS_AUTHORITY); or ALLOW_CLEARTEXT, where the way to it is secure"
            raise error(1418, f"the account's key would go to {host} without TLS", next_step=step, field="TLS")
