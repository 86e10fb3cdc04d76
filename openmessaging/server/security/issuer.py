"""JWTs of an identity provider (OpenID Connect) as keys: signature, issuer, audience and time are checked, claims
become a user and its roles.

The provider's public keys come from a file or from its own address. They are kept, asked for again when they are old
and when a token names one that is not known (a provider that rotates), but never more often than every few seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from openmessaging.model.access_point import is_loopback
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.security.config import SecurityConfig

logger = logging.getLogger("openmessaging.server")
ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""By the type of key; those with a shared secret are not among them, so that no public key can be taken for one."""
LEEWAY = 30
"""Seconds by which the provider's clock may differ."""
LIFETIME = 300.0
"""Seconds after which keys are asked for again."""
PAUSE = 10.0
"""Seconds between two questions at least."""
_MAX_TOKEN = 16 << 10
_MAX_ANSWER = 1 << 20
_TIMEOUT = 5.0


class Issuer:
    """Checks the tokens of one issuer.

    Raises OMSRuntimeException 1418 when PyJWT is not installed, or an address is not one of https.
    """

    def __init__(self, config: SecurityConfig, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            import jwt
        except ImportError as cause:
            step = 'Install it: pip install "openmessaging[jwt]"'
            raise error(1418, "jwt_issuer is set, and PyJWT is not installed", next_step=step) from cause
        self._jwt = jwt
        self._config = config
        self._clock = clock
        self._keys: dict[str, dict[str, Any]] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()
        for url in (config.jwt_keys, "" if config.jwt_keys else config.jwt_issuer):
            _check_url(url)

    def looks_like(self, key: str) -> bool:
        """Whether a key may be a JWT, and no password."""
        try:
            return key.count(".") == 2 and "alg" in self._jwt.get_unverified_header(key)
        except self._jwt.PyJWTError:
            return False

    async def claims(self, token: str) -> dict[str, Any]:
        """What a token says. Raises OMSSecurityException 1401 for one that is not this issuer's, or not good now."""
        if len(token) > _MAX_TOKEN:
            raise error(1401, "a JWT that is too long")
        jwt, config = self._jwt, self._config
        header = jwt.get_unverified_header(token)
        key = await self._key(str(header.get("kid", "")))
        algorithm = str(header.get("alg"))
        if algorithm not in ALGORITHMS.get(str(key.get("kty")), ()) or key.get("alg", algorithm) != algorithm:
            raise error(1401, f"a JWT signed by {algorithm}")
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(key, algorithm),
                [algorithm],
                issuer=config.jwt_issuer,
                audience=config.jwt_audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", config.jwt_user]},
            )
        except jwt.PyJWTError as cause:
            raise error(1401, f"a JWT: {cause}") from cause
        return found

    def user_of(self, claims: dict[str, Any]) -> str:
        """The name that claims give their user. Raises OMSSecurityException 1401 when it is none."""
        name = claims[self._config.jwt_user]
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 255:
            raise error(1401, f"a JWT whose claim {self._config.jwt_user} is no name")
        return name

    def roles_of(self, claims: dict[str, Any]) -> list[str]:
        """The roles that claims stand for."""
        found: Any = claims
        for part in self._config.jwt_roles.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        names = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
        known = self._config.jwt_role_names
        return sorted({known[name] for name in names if isinstance(name, str) and name in known})

    async def _key(self, kid: str) -> dict[str, Any]:
        async with self._lock:
            age = self._clock() - self._asked
            if age > LIFETIME or (self._find(kid) is None and age > PAUSE):
                self._asked = self._clock()
                try:
                    self._keys = await asyncio.to_thread(self._read)
                except (OSError, ValueError, KeyError, TypeError, AttributeError, OMSRuntimeException) as failure:
                    logger.error("the keys of %s cannot be read: %r", self._config.jwt_issuer, failure)
            found = self._find(kid)
        if found is None:
            raise error(1401, f"a JWT with the key {kid!r}, which the issuer does not have")
        return found

    def _find(self, kid: str) -> dict[str, Any] | None:
        """The key of an id; where a token names none, the only one."""
        return next(iter(self._keys.values())) if not kid and len(self._keys) == 1 else self._keys.get(kid)

    def _read(self) -> dict[str, dict[str, Any]]:
        where = self._config.jwt_keys
        if not where:
            base = self._config.jwt_issuer.rstrip("/")
            where = json.loads(_get(f"{base}/.well-known/openid-configuration"))["jwks_uri"]
        if where.startswith(("https://", "http://")):
            data = _get(where)
        else:
            with open(where, "rb") as file:
                data = file.read(_MAX_ANSWER)
        keys = json.loads(data)["keys"]
        return {str(each.get("kid", "")): each for each in keys if each.get("use", "sig") == "sig"}


def _get(url: str) -> bytes:
    _check_url(url)
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(url, timeout=_TIMEOUT) as answer:
        data: bytes = answer.read(_MAX_ANSWER)
    return data


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where they are said to be."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _check_url(url: str) -> None:
    """Whether nobody on the way could put other keys in. Raises OMSRuntimeException 1418."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise error(1418, f"{url}: keys are fetched by https alone", next_step="Write https, or name a file")
