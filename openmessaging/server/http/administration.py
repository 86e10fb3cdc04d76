"""What belongs to the server itself: who is connected, who may do what."""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.server.clients import ClientInfo
from openmessaging.server.http.request import Request
from openmessaging.server.http.rights import require
from openmessaging.server.http.table import Route, tagged
from openmessaging.server.security import Action


class Connections(msgspec.Struct):
    """Who is connected."""

    http: int
    """Open connections of HTTP."""
    connections: list[ClientInfo]
    """Those of the native protocol, the oldest first."""


class TokenView(msgspec.Struct, rename="camel"):
    """A token, without the token."""

    id: str
    note: str
    created_ms: int
    expires_ms: int | None
    """None: it does not expire."""
    grants: list[str] | None
    """What it may do at most; None: all that its user may."""


class UserView(msgspec.Struct, rename="camel"):
    """A user."""

    name: str
    roles: list[str]
    grants: list[str]
    """What it may do, by its roles too."""
    signs_in_by: list[str]
    """`password`, `token`, and subjects of certificates."""
    disabled: bool
    tokens: list[TokenView]


class UserList(msgspec.Struct):
    """Everybody who is known."""

    you: str
    """By what name the client is known."""
    users: list[UserView]
    """By name; empty when there are none, and who reaches the server from its machine may do everything."""


async def connections(request: Request) -> Connections:
    """GET /v1/connections"""
    require(request, Action.ADMIN, "see connections")
    node: Any = request.app.node
    return Connections(node.http.connections if node.http else 0, node.server.clients())


async def users(request: Request) -> UserList:
    """GET /v1/users"""
    require(request, Action.ADMIN, "see users")
    known = request.app.node.security.users
    found = [UserView(name, user.roles, _grants(known, user), _proofs(user), user.disabled, _tokens(user))
             for name, user in sorted(known.users.items())]  # fmt: skip
    return UserList(request.identity.name, found)


def _grants(known: Any, user: Any) -> list[str]:
    """A user's own, and those of its roles."""
    texts = list(user.grants)
    for role in user.roles:
        texts += ["* *"] if role not in known.roles else known.roles[role].grants
    return list(dict.fromkeys(texts))


def _proofs(user: Any) -> list[str]:
    return [*(["password"] if user.password else []), *(["token"] if user.tokens else []), *user.subjects]


def _tokens(user: Any) -> list[TokenView]:
    return [
        TokenView(number, token.note, token.created_ms, token.expires_ms, token.grants)
        for number, token in user.tokens.items()
    ]


ROUTES: list[Route] = tagged(
    "server",
    [
        Route(
            method="GET", path="/v1/connections", handler=connections, summary="Who is connected",
            answer=Connections, errors=(1403,),
        ),
        Route(
            method="GET", path="/v1/users", handler=users, summary="Who may do what",
            description="Nothing by which somebody signs in is shown.", answer=UserList, errors=(1403,),
        ),
    ],
)  # fmt: skip
