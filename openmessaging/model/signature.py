"""Signatures of callbacks: who posts a message to a program, proven by HMAC-SHA256 over time, fields and body.

What is signed is every field whose name begins with `x-oms-` or `ce-`, and `content-type`, but for the signature:
one line `name:value` each, in the order of their names in lower case, an empty line, and the body. The field
`x-oms-timestamp` is among them, so that an old request cannot be sent again later. A server signs with each of its
keys; a receiver takes what one of its own has signed. So keys are changed without a pause: the new one is added to the
server, then to the receivers, then the old one is taken from both.

Source: this project's; `spec/http-binding.md`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from openmessaging.model.errors import OMSRuntimeException, error

SIGNATURE = "x-oms-signature"
TIMESTAMP = "x-oms-timestamp"
WINDOW = 300.0
"""Seconds that a request may be old, or ahead, to be taken."""


def signed_bytes(fields: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """What the signature of a request is made of."""
    head = "".join(f"{name}:{value}\n" for name, value in sorted(_signed(fields)))
    return head.encode("latin-1") + b"\n" + body


def _signed(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    lowered = ((name.lower(), value.strip()) for name, value in fields)
    return [
        (name, value)
        for name, value in lowered
        if (name.startswith(("x-oms-", "ce-")) or name == "content-type") and name != SIGNATURE
    ]


def sign(keys: Mapping[str, str], fields: Iterable[tuple[str, str]], body: bytes) -> str:
    """The value of `x-oms-signature`: `ID=HEX` for each key (id and secret), with commas between."""
    data = signed_bytes(fields, body)
    return ", ".join(f"{name}={_digest(secret, data)}" for name, secret in keys.items())


def verify_callback(
    fields: Iterable[tuple[str, str]], body: bytes, keys: Mapping[str, str], now: float, window: float = WINDOW
) -> None:
    """Check that a callback comes from a server that has one of the keys, and is fresh.

    Args:
        fields: names and values of the request's header fields.
        body: as it came.
        keys: secrets by their ids, those that the server's `[callbacks]` has.
        now: the time, seconds since the epoch (`time.time()`).
        window: seconds that it may be old or ahead. Within them a copy passes: who must not do a thing twice
            remembers message ids, as with any delivery at least once.

    Raises OMSSecurityException 1401 when it is not.
    """
    pairs = list(fields)
    given = {name.lower(): value.strip() for name, value in pairs}
    signed = _signed(pairs)
    if len(dict(signed)) != len(signed):
        raise _refused("a field is given twice")
    timestamp = given.get(TIMESTAMP, "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise _refused(f"{TIMESTAMP} is missing or no time")
    if abs(now - int(timestamp)) > window:
        raise _refused(f"it is {now - int(timestamp):.0f} s old, {window:.0f} are taken")
    data = signed_bytes(pairs, body)
    for part in given.get(SIGNATURE, "").split(","):
        name, _, found = part.strip().partition("=")
        if name in keys and hmac.compare_digest(found.encode("latin-1"), _digest(keys[name], data).encode()):
            return
    raise _refused("no key that is known has signed it")


def _digest(secret: str, data: bytes) -> str:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def _refused(reason: str) -> OMSRuntimeException:
    return error(1401, f"callback: {reason}", next_step="Answer 401 and do nothing", field=SIGNATURE)
