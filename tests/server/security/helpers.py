"""Users for tests, without slow hashes."""

from pathlib import Path

from openmessaging.server.security import Security, SecurityConfig
from openmessaging.server.security.hashing import draw_token
from openmessaging.server.security.users import Token, User, Users, changing, read_users


def add_user(path: Path, name: str, *grants: str, scope: list[str] | None = None, **fields: object) -> str:
    """Add or change a user with a new token, which is returned."""
    number, token, kept = draw_token()
    expires_ms = fields.pop("expires_ms", None)
    with changing(str(path)) as users:
        user = users.users.setdefault(name, User())
        user.grants = list(grants)
        for field, value in fields.items():
            setattr(user, field, value)
        user.tokens = {**user.tokens, number: Token(kept, 0, expires_ms=expires_ms, grants=scope)}  # type: ignore[arg-type]
    return token


def users_of(path: Path) -> Users:
    found = read_users(str(path))
    assert found is not None
    return found


def security_of(path: Path, **config: object) -> Security:
    return Security(str(path), SecurityConfig(**config))  # type: ignore[arg-type]
