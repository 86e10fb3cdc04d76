"""Passwords and tokens: only what they can be recognised by is kept.

A password is chosen by people, so it is hashed slowly (scrypt, 32 MiB). A token is drawn from 256 random bits, which
nobody can guess however fast they try, so it is hashed quickly.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

COST = 15
"""Logarithm of scrypt's n; with r = 8 and p = 3 a try takes about a quarter of a second and 32 MiB."""
_R, _P = 8, 3
_MARK = "oms"
MIN_PASSWORD = 8
"""Characters of the shortest password that is taken."""


def hash_password(password: str, cost: int = COST) -> str:
    """A salted hash that `matches` understands."""
    salt = secrets.token_bytes(16)
    return f"scrypt${cost}${_R}${_P}${_text(salt)}${_text(_scrypt(password, salt, cost, _R, _P))}"


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one that was hashed. Takes as long for a hash that cannot be read."""
    try:
        kind, cost, r, p, salt, expected = kept.split("$")
        if kind != "scrypt":
            raise ValueError(kind)
        found = _scrypt(password, base64.b64decode(salt), int(cost), int(r), int(p))
        return hmac.compare_digest(found, base64.b64decode(expected))
    except ValueError:
        _scrypt(password, b"\0" * 16, COST, _R, _P)
        return False


def draw_token() -> tuple[str, str, str]:
    """A new token: its id, the token itself (shown once), and its hash."""
    number, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    token = f"{_MARK}_{number}_{secret}"
    return number, token, hash_token(token)


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_id(key: str) -> str | None:
    """The id in a token; None for what is no token."""
    parts = key.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == _MARK and len(parts[1]) == 8 else None


def _scrypt(password: str, salt: bytes, cost: int, r: int, p: int) -> bytes:
    if not 10 <= cost <= 20 or not 1 <= r <= 32 or not 1 <= p <= 16:
        raise ValueError("parameters of scrypt")
    memory = 128 * (1 << cost) * r + (1 << 20) * p
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << cost, r=r, p=p, maxmem=2 * memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
