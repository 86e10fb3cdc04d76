"""Who may do what on a server: recognises clients and hands out drivers that check.

Without users, whoever reaches it from this machine is `local` and may do everything, and the driver checks nothing. The
first user changes that, for good: a server that has seen a file of users never goes back to having none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from openmessaging.model.access_point import is_loopback
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.security.audit import Audit
from openmessaging.server.security.config import SecurityConfig, TlsConfig
from openmessaging.server.security.grants import Action, Grant, allowed
from openmessaging.server.security.guard import Guard, Openings, forbidden
from openmessaging.server.security.hashing import matches, token_id
from openmessaging.server.security.identity import Credentials, HangUp, Identity
from openmessaging.server.security.issuer import LEEWAY, Issuer
from openmessaging.server.security.quotas import Usage
from openmessaging.server.security.tls import Tls, stamp
from openmessaging.server.security.tries import Tries
from openmessaging.server.security.users import FILE, User, Users, read_users

logger = logging.getLogger("openmessaging.server")
_REMEMBERED = 10_000
"""Keys that are recognised at once because they were before."""
_HASHING = 2
"""Passwords that are checked at the same time: each takes 32 MiB and a core."""
WATCH_SECONDS = 1.0
"""Between looks at files that may have changed, and at identities whose time may be over."""


class Security:
    """See the module. Used in one loop.

    Args:
        path: the file of users; None: there can be none.
        config: the section `[security]`.
        now_ms: the wall clock, ms.
    """

    def __init__(
        self,
        path: str | None = None,
        config: SecurityConfig | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.config = config or SecurityConfig()
        self.path = self.config.users or path
        self._now_ms = now_ms
        self.audit = Audit(self.config.audit or None, now_ms)
        self._openings = Openings()
        self._identities: WeakSet[Identity] = WeakSet()
        self._known: dict[bytes, Identity] = {}
        self.stored_bytes: Callable[[Callable[[str], bool]], int] | None = None
        """How many bytes queues hold, by their names; None: quotas of space cannot be kept."""
        self._usages: dict[str, Usage] = {}
        self._tries = Tries(time.monotonic)
        self._secret = secrets.token_bytes(32)
        self._hashing = asyncio.Semaphore(_HASHING)
        self._tls: list[Tls] = []
        self._issuer = Issuer(self.config) if self.config.jwt_issuer else None
        self._seen = stamp(self.path) if self.path is not None else None
        self._users = read_users(self.path) if self.path is not None else None

    @classmethod
    def of_store(cls, directory: str | None, config: SecurityConfig | None = None) -> Security:
        """For the store in a directory; None: one in memory."""
        return cls(os.path.join(directory, FILE) if directory is not None else None, config)

    # ---- what is set -----------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether there are users, or an issuer of JWTs, so that clients have to show who they are."""
        return self._users is not None or bool(self.config.jwt_issuer)

    @property
    def users(self) -> Users:
        """Users and roles as they are now; not to be changed."""
        return self._users or Users()

    def check_listen(self, host: str, tls: TlsConfig | None = None) -> None:
        """Whether a server may listen at an address: on other machines' behalf only with users and TLS.

        Raises OMSRuntimeException 1418 with the next step.
        """
        if is_loopback(host):
            return
        if not self.active:
            where = f" --users {self.path}" if self.path else ""
            step = f"Make one first: oms user add NAME --role admin{where}; or listen on 127.0.0.1"
            raise error(1418, f"{host} can be reached from other machines, and there are no users", next_step=step)
        if (tls is None or not tls.certificate) and not self.config.allow_cleartext:
            step = "Set certificate and key in [tls]; or allow_cleartext in [security], where a proxy has TLS"
            raise error(1418, f"{host} can be reached from other machines, and there is no TLS", next_step=step)

    def tls(self, config: TlsConfig, alpn: Sequence[str] = ()) -> ssl.SSLContext | None:
        """The context for a listener, whose certificates are read again when they change; None without a certificate.

        Raises OMSRuntimeException 1418 for files that cannot be read.
        """
        if not config.certificate:
            return None
        self._tls.append(Tls(config, alpn))
        return self._tls[-1].context

    # ---- recognising -----------------------------------------------------------------------------------------------

    async def authenticate(self, credentials: Credentials) -> Identity:
        """Who a client is.

        Raises OMSSecurityException 1401 for who is not known, always with the same words; 1503 while too many tries
        from its address have failed.
        """
        known = self.recognise(credentials)
        if known is not None:
            return known
        try:
            identity = await self._checked(credentials)
        except OMSRuntimeException as failure:
            raise self._turned_away(credentials, failure) from None
        self._remember(credentials, identity)
        return identity

    def recognise(self, credentials: Credentials) -> Identity | None:
        """`authenticate` for what needs no waiting: None for passwords and JWTs that are seen for the first time."""
        if not self.active:
            if credentials.local:
                return Identity("local", "local", peer=credentials.peer, everything=True)
            raise self._turned_away(credentials, error(1401, "there are no users yet"))
        known = self._known.get(self._digest(credentials))
        if known is not None and known.ended is None and not self._over(known):
            return known
        try:
            identity = self._at_once(credentials)
        except OMSRuntimeException as failure:
            raise self._turned_away(credentials, failure) from None
        if identity is not None:
            self._remember(credentials, identity)
        return identity

    def _at_once(self, credentials: Credentials) -> Identity | None:
        key = credentials.key
        if not key:
            if credentials.subject:
                name, user = self.users.by_subject(credentials.subject, credentials.account)
                return self._identity(name, user, "certificate", credentials, proof=credentials.subject)
            if not credentials.peer:  # the socket is this user's alone: who opens it could read the store itself
                return Identity("local", "local", everything=True)
            raise error(1401, "no account and key")
        if not (credentials.secure or credentials.local or self.config.allow_cleartext):
            raise error(1401, "a key came without TLS", next_step="Use TLS; and rotate that key, it could be read")
        number = token_id(key)
        if number is None:
            return None
        name, user, token = self.users.by_token(number, key, credentials.account)
        scope = token.scope()
        return self._identity(name, user, "token", credentials, scope=scope, token=number, ends=token.expires_ms)

    async def _checked(self, credentials: Credentials) -> Identity:
        if self._issuer is not None and self._issuer.looks_like(credentials.key):
            return await self._by_claims(self._issuer, credentials)
        self._tries.check(credentials.peer, credentials.account)
        user = self.users.users.get(credentials.account)
        async with self._hashing:
            good = await asyncio.to_thread(matches, credentials.key, user.password if user is not None else "")
        if user is None or not good:
            self._tries.failed(credentials.peer, credentials.account)
            raise error(1401, "wrong account or password")
        return self._identity(credentials.account, user, "password", credentials, proof=user.password)

    async def _by_claims(self, issuer: Issuer, credentials: Credentials) -> Identity:
        claims = await issuer.claims(credentials.key)
        named = issuer.user_of(claims)
        ends = int((claims["exp"] + LEEWAY) * 1000)
        name, user = self.users.of_claim(named)
        identity = self._identity(name, user, "jwt", credentials, proof=named, ends=ends)
        identity.claimed = tuple(issuer.roles_of(claims))
        identity.regrant(self._claimed_grants(identity, user), identity.claimed, None)
        return identity

    def _claimed_grants(self, identity: Identity, user: User) -> list[Grant]:
        return self.users.grants_of(user, [*user.roles, *identity.claimed])

    def _identity(
        self, name: str, user: User, how: str, credentials: Credentials, *, ends: int | None = None, **rest: Any
    ) -> Identity:
        if user.disabled:
            raise error(1401, "disabled")
        if ends is not None and ends <= self._now_ms():
            raise error(1401, "expired")
        usage = self._usages.get(name)
        if usage is None:
            usage = self._usages[name] = Usage(name, user.quota, time.monotonic)
        grants = self.users.grants_of(user)
        return Identity(
            name, how, grants, roles=user.roles, peer=credentials.peer, expires_ms=ends, usage=usage, **rest
        )

    def _turned_away(self, credentials: Credentials, failure: OMSRuntimeException) -> OMSRuntimeException:
        """What the client is told: not which part was wrong."""
        self.audit.turned_away(credentials, failure.reason)
        if failure.code != 1401:
            return failure
        step = failure.next_step or "Check account, key and that neither has expired or been revoked"
        return error(1401, "the server does not know this account and key", next_step=step)

    def _remember(self, credentials: Credentials, identity: Identity) -> None:
        self.audit.signed_in(identity)
        self._identities.add(identity)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[self._digest(credentials)] = identity

    def _digest(self, credentials: Credentials) -> bytes:
        parts = (credentials.account, credentials.key, credentials.subject, credentials.peer, str(credentials.secure))
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.blake2b(text.encode(), key=self._secret, digest_size=32).digest()

    def on_behalf(self, name: str) -> Identity:
        """The identity for what the server itself goes on doing for a user, with all his rights and as long as he has
        them. Raises OMSSecurityException 1401 when there is no such user here."""
        if not self.active:
            return Identity(name, "local", everything=True)
        user = self.users.users.get(name)
        if user is None:
            step = "Only users of the server's own file may have it do something for them"
            raise error(1401, f"there is no user {name!r} here", next_step=step)
        identity = self._identity(name, user, "callback", Credentials())
        self._identities.add(identity)
        return identity

    # ---- using -----------------------------------------------------------------------------------------------------

    def guard(self, driver: Any, identity: Identity) -> Any:
        """The driver as an identity may use it; the driver itself for who may do everything."""
        if identity.everything:
            return driver
        guard = identity.guards.get(driver)
        if guard is None:
            guard = identity.guards[driver] = Guard(driver, identity, self._openings, self.audit)
        return guard

    def require(self, identity: Identity, action: Action, resource: str = "", *, operation: str = "") -> None:
        """Check what is no operation of the driver: without a resource, something of the server's.

        Raises OMSSecurityException 1403; what the identity was ended by.
        """
        if not identity.mask(resource) & action:
            self.audit.denied(identity, operation, action, resource)
            raise forbidden(identity, action, resource)
        self.audit.allowed(identity, operation, action, resource)

    def enter(self, identity: Identity, hang_up: HangUp) -> None:
        """A connection begins; `hang_up` is called when the identity ends. Raises OMSRuntimeException 1503 beyond the
        quota of connections."""
        if identity.usage is not None:
            identity.usage.enter()
        identity.open.add(hang_up)
        if self.active:
            self.audit.connected(identity)

    def leave(self, identity: Identity, hang_up: HangUp) -> None:
        """It is over; again is no error."""
        if hang_up in identity.open:
            identity.open.discard(hang_up)
            if identity.usage is not None:
                identity.usage.leave()

    # ---- changes ---------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the file of users again: rights change at once, and who is gone is hung up on. A file that cannot be
        read changes nothing: the rules stay as they are, and the log says so. Certificates are looked at too."""
        self._reload_certificates()
        if self.path is None:
            return
        self._seen = stamp(self.path)
        try:
            read = read_users(self.path)
        except OMSRuntimeException as failure:
            logger.error("the users stay as they were: %s", failure)
            self.audit.told("users-unreadable", reason=failure.reason)
            return
        if read is None and self._users is None:
            return
        self._users = read or Users()
        self._known.clear()
        for identity in list(self._identities):
            self._renew(identity)
        self.audit.told("users-read", users=len(self._users.users))

    def _renew(self, identity: Identity) -> None:
        if identity.how == "jwt":
            name, claimed = self.users.of_claim(identity.proof)
            if name != identity.name or claimed.disabled:
                self._end(identity, "the user of this JWT has changed")
            else:
                identity.regrant(self._claimed_grants(identity, claimed), identity.claimed, None)
            return
        user = self.users.users.get(identity.name)
        token = user.tokens.get(identity.token) if user is not None and identity.token else None
        if user is None or user.disabled or not self._still_proven(identity, user):
            self._end(identity, "the user, the token or the password is gone")
            return
        if token is not None:
            identity.expires_ms = token.expires_ms
        identity.regrant(self.users.grants_of(user), user.roles, token.scope() if token is not None else None)
        if identity.usage is not None:
            identity.usage.change(user.quota)

    @staticmethod
    def _still_proven(identity: Identity, user: User) -> bool:
        if identity.how == "callback":
            return True
        if identity.how == "password":
            return identity.proof == user.password
        if identity.how == "certificate":
            return user.has_subject(identity.name, identity.proof)
        return not identity.token or identity.token in user.tokens

    def _over(self, identity: Identity) -> bool:
        return identity.expires_ms is not None and identity.expires_ms <= self._now_ms()

    def _end(self, identity: Identity, reason: str) -> None:
        self._identities.discard(identity)
        self.audit.told("cut-off", of=identity.name, reason=reason)
        identity.end(error(1401, reason, next_step="Sign in with a key that is good"))

    def look_around(self) -> None:
        """End who is over, and read again what has changed."""
        for identity in list(self._identities):
            if self._over(identity):
                self._end(identity, "the token has expired")
        if self.path is not None and stamp(self.path) != self._seen:
            self.reload()
        self._reload_certificates()

    def _reload_certificates(self) -> None:
        for tls in self._tls:
            try:
                if tls.reload():
                    self.audit.told("certificates-read")
            except OMSRuntimeException as failure:
                logger.error("the certificates stay as they were: %s", failure)
                self.audit.told("certificates-unreadable", reason=failure.reason)

    async def watch(self) -> None:
        """Look around every second, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with contextlib.suppress(OSError):
                self.look_around()
            await self.measure()

    async def measure(self) -> None:
        """Count what the queues hold of users whose space is limited."""
        for name, user in self.users.users.items():
            usage = self._usages.get(name)
            if usage is not None and user.quota.stored_bytes is not None and self.stored_bytes is not None:
                wanted = partial(_may_send, self.users.grants_of(user))
                usage.stored = await asyncio.to_thread(self.stored_bytes, wanted)

    def close(self) -> None:
        """Let go of the audit log."""
        self.audit.close()


def _may_send(grants: Sequence[Grant], queue: str) -> bool:
    return bool(allowed(grants, queue) & Action.SEND)
