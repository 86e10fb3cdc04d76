"""The file of users, roles and tokens: JSON, written by `oms user` and read again by a server when it changes.

It is replaced as a whole, so that a reader sees the old or the new one; who changes it holds a lock beside it. It lies
in the store's directory unless the configuration says otherwise: rights then go with the messages they protect.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import sys
from collections.abc import Iterator

import msgspec

from openmessaging.model.errors import error
from openmessaging.server.security.grants import Grant, parse_grant
from openmessaging.server.security.hashing import hash_token
from openmessaging.server.security.quotas import Quota

FILE = "users.json"
"""Its name in a store's directory."""
VERSION = 1
ADMIN = "admin"
"""The role that is always there, and may do everything."""


class Token(msgspec.Struct, omit_defaults=True):
    """A token of a user; the token itself is not kept."""

    hash: str
    created_ms: int
    expires_ms: int | None = None
    grants: list[str] | None = None
    """What it may do at most; None: all that its user may."""
    note: str = ""

    def scope(self) -> list[Grant] | None:
        """`grants`, read."""
        return None if self.grants is None else [parse_grant(text) for text in self.grants]


class User(msgspec.Struct, omit_defaults=True):
    """A user."""

    password: str = ""
    """Its hash; empty: there is none."""
    roles: list[str] = []
    grants: list[str] = []
    subjects: list[str] = []
    """Certificates' subjects, as `O=Shop,CN=alice`, and `jwt:NAME`; `CN=` and the user's name always counts."""
    quota: Quota = Quota()
    tokens: dict[str, Token] = {}
    disabled: bool = False

    def has_subject(self, name: str, subject: str) -> bool:
        """Whether a certificate's subject is this user's; `name` is the user's."""
        return subject == f"CN={name}" or subject in self.subjects


class Role(msgspec.Struct, omit_defaults=True):
    """Grants under a name."""

    grants: list[str] = []


class Users(msgspec.Struct):
    """What the file holds."""

    version: int = VERSION
    users: dict[str, User] = {}
    roles: dict[str, Role] = {}

    def grants_of(self, user: User, roles: list[str] | None = None) -> list[Grant]:
        """All that a user may do."""
        texts = list(user.grants)
        for name in user.roles if roles is None else roles:
            texts += ["* *"] if name == ADMIN else self.roles[name].grants if name in self.roles else []
        return [parse_grant(text) for text in texts]

    def by_token(self, number: str, key: str, account: str) -> tuple[str, User, Token]:
        """Whose token this is; `account` is empty, or must be its name. Raises OMSSecurityException 1401."""
        for name, user in self.users.items():
            token = user.tokens.get(number)
            if token is not None and account in ("", name) and hmac.compare_digest(token.hash, hash_token(key)):
                return name, user, token
        raise error(1401, "no such token")

    def by_subject(self, subject: str, account: str) -> tuple[str, User]:
        """Whose certificate this is; `account` is empty, or must be its name. Raises OMSSecurityException 1401."""
        for name, user in self.users.items():
            if user.has_subject(name, subject) and account in ("", name):
                return name, user
        raise error(1401, f"no user has the subject {subject}")

    def of_claim(self, named: str) -> tuple[str, User]:
        """The user that a JWT stands for; else one without rights of its own, under a name that tells it apart."""
        found = ((name, user) for name, user in self.users.items() if f"jwt:{named}" in user.subjects)
        return next(found, (f"jwt:{named}", User()))

    def check(self) -> None:
        """Raises OMSRuntimeException 1418 for a grant that cannot be read, and a role that is not there."""
        for role in self.roles.values():
            _check_grants(role.grants)
        for name, user in self.users.items():
            _check_grants(user.grants)
            for token in user.tokens.values():
                _check_grants(token.grants or [])
            for wanted in user.roles:
                if wanted != ADMIN and wanted not in self.roles:
                    step = f"Make it: oms user grant @{wanted} 'send sales://*'"
                    raise error(1418, f"{name} has the role {wanted}, which is not there", next_step=step)


def _check_grants(grants: list[str]) -> None:
    for text in grants:
        parse_grant(text)


def read_users(path: str) -> Users | None:
    """What the file says, None when there is none.

    Raises OMSRuntimeException 1418 for one that cannot be read, that a newer version wrote, or that others may write.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise error(1418, f"{path}: {failure.strerror}", field="users") from failure
    if mode & 0o022 and sys.platform != "win32":
        raise error(1418, f"{path} can be written by others than its owner", next_step=f"chmod 600 {path}")
    try:
        users = msgspec.json.decode(data, type=Users)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise error(1418, f"{path}: {failure}", next_step="Change it with `oms user` alone", field="users") from failure
    if users.version > VERSION:
        raise error(1418, f"{path} was written by a newer version ({users.version})", next_step="Upgrade")
    users.check()
    return users


def write_users(path: str, users: Users) -> None:
    """Replace the file, readable by its owner alone. Raises OMSRuntimeException as `Users.check`, and OSError."""
    users.check()
    new = f"{path}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, msgspec.json.format(msgspec.json.encode(users), indent=1) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, path)
    if sys.platform != "win32":
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def changing(path: str) -> Iterator[Users]:
    """The users, to be changed in the block and written at its end, unless it raises; one at a time."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        users = read_users(path) or Users()
        yield users
        write_users(path, users)
    finally:
        os.close(descriptor)
