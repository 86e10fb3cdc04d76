"""`oms user`: who may use a server. Works on the file of users; a server reads it again within a second."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from openmessaging.cli.options import Function, confirm, default_url, duration, json_option, yes_option
from openmessaging.cli.output import as_time, print_json, print_table
from openmessaging.model.access_point import parse
from openmessaging.model.destination import check_name
from openmessaging.model.errors import error

if TYPE_CHECKING:
    from openmessaging.server.security.users import Role, Token, User, Users


@click.group("user")
def command() -> None:
    """Users of a server: their tokens, roles and rights.

    A grant is 'ACTIONS RESOURCE': actions are send, receive, browse, look, manage and admin, with commas between, or *;
    a resource is NAMESPACE://QUEUE, perhaps with /GROUP, with * for any characters, or * alone for everything. A role
    is written @ROLE; @admin may do everything. A server reads changes within a second, and ends what is not allowed
    any more.
    """


def _where(function: Function) -> Function:
    """`--store`, `--users` and `--json`."""
    for option in (
        json_option,
        click.option("--users", metavar="FILE", envvar="OMS_SERVE_SECURITY_USERS", help="The file of users."),
        click.option("--store", metavar="DIR", help="The store's directory, in which users.json is the file of users."),
    ):
        function = option(function)
    return function


def _path(store: str | None, users: str | None) -> str:
    from openmessaging.server.security.users import FILE

    return users or os.path.join(store or parse(default_url()).path or "", FILE)


@contextmanager
def _changed(store: str | None, users: str | None) -> Iterator[Users]:
    from openmessaging.server.security.users import changing

    with changing(_path(store, users)) as read:
        yield read


def _user(users: Users, name: str) -> User:
    found = users.users.get(name)
    if found is None:
        raise error(1404, f"there is no user {name}", next_step="See `oms user list`", field="name")
    return found


@command.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role; may be given several times.")
@click.option("--grant", "grants", multiple=True, metavar="GRANT", help="A grant; may be given several times.")
@click.option("--subject", "subjects", multiple=True, metavar="SUBJECT", help="Of a certificate, as O=Shop,CN=till 3.")
@click.option("--password", is_flag=True, help="Ask for a password (from standard input where nobody types).")
@click.option("--no-token", is_flag=True, help="Make no token.")
@_where
def add(
    name: str,
    roles: tuple[str, ...],
    grants: tuple[str, ...],
    subjects: tuple[str, ...],
    password: bool,
    no_token: bool,
    store: str | None,
    users: str | None,
    as_json: bool,
) -> None:
    """Add the user NAME and print its token, which is not kept and cannot be shown again.

    Programs show it as the attribute ACCOUNT_KEY, the commands of oms as the environment variable OMS_ACCOUNT_KEY, and
    HTTP clients as `Authorization: Bearer TOKEN`.
    """
    from openmessaging.server.security.hashing import hash_password
    from openmessaging.server.security.users import User

    check_name(name, "user")
    if name.startswith("@"):
        raise error(1418, f"{name} is a role", next_step=f"Grant it something: oms user grant {name} GRANT")
    hashed = hash_password(_ask_password()) if password else ""
    with _changed(store, users) as read:
        if name in read.users:
            raise error(1418, f"the user {name} is there", next_step="See `oms user token` and `oms user grant`")
        user = read.users[name] = User(hashed, [role.removeprefix("@") for role in roles], list(grants), list(subjects))
        token = "" if no_token else _new_token(user, None, (), "")
    _told({"name": name, "token": token} if token else {"name": name}, as_json, token or f"{name} is added")


@command.command("list")
@_where
def list_users(store: str | None, users: str | None, as_json: bool) -> None:
    """List users and roles with their rights and tokens."""
    from openmessaging.server.security.users import Users, read_users

    read = read_users(_path(store, users)) or Users()
    if as_json:
        print_json({"users": {name: _shown(user) for name, user in read.users.items()}, "roles": read.roles})
        return
    rows: list[tuple[Any, ...]] = []
    for name, user in sorted(read.users.items()):
        rights = [*(f"@{role}" for role in user.roles), *user.grants]
        tokens = [f"{number} until {as_time(each.expires_ms) or 'revoked'}" for number, each in user.tokens.items()]
        how = [*(["password"] if user.password else []), *user.subjects, *tokens]
        rows.append((name + (" (disabled)" if user.disabled else ""), "; ".join(rights), "; ".join(how)))
    rows += [(f"@{name}", "; ".join(role.grants), "") for name, role in sorted(read.roles.items())]
    print_table(("user", "may", "shows"), rows)


@command.command("delete")
@click.argument("name")
@yes_option
@_where
def delete(name: str, yes: bool, store: str | None, users: str | None, as_json: bool) -> None:
    """Delete the user or @ROLE NAME; its connections end."""
    confirm(f"Delete {name}?", yes)
    with _changed(store, users) as read:
        if name.startswith("@"):
            if read.roles.pop(name[1:], None) is None:
                raise error(1404, f"there is no role {name}", next_step="See `oms user list`", field="name")
            for user in read.users.values():
                user.roles = [role for role in user.roles if role != name[1:]]
        else:
            _user(read, name)
            del read.users[name]
    _told({"name": name, "deleted": True}, as_json, f"{name} is deleted")


@command.command("token")
@click.argument("name")
@click.option("--expires", type=duration, metavar="TIME", help="When it ends, as 90d or 12h.  [default: never]")
@click.option("--grant", "grants", multiple=True, metavar="GRANT", help="What it may do at most.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@_where
def token(
    name: str,
    expires: float | None,
    grants: tuple[str, ...],
    note: str,
    store: str | None,
    users: str | None,
    as_json: bool,
) -> None:
    """Make a further token for the user NAME and print it."""
    with _changed(store, users) as read:
        made = _new_token(_user(read, name), expires, grants, note)
    _told({"name": name, "token": made}, as_json, made)


@command.command("rotate")
@click.argument("name")
@click.option("--keep", type=duration, default="1h", show_default=True, metavar="TIME", help="How long old ones last.")
@_where
def rotate(name: str, keep: float, store: str | None, users: str | None, as_json: bool) -> None:
    """Make a new token for the user NAME and let all others end, after a time in which programs can change over."""
    now_ms = _now_ms()
    with _changed(store, users) as read:
        user = _user(read, name)
        ends = now_ms + int(keep * 1000)
        for each in user.tokens.values():
            each.expires_ms = ends if each.expires_ms is None else min(ends, each.expires_ms)
        user.tokens = {number: each for number, each in user.tokens.items() if (each.expires_ms or 0) > now_ms}
        made = _new_token(user, None, (), "")
    _told({"name": name, "token": made}, as_json, made)


@command.command("password")
@click.argument("name")
@click.option("--none", is_flag=True, help="Take the password away.")
@_where
def password(name: str, none: bool, store: str | None, users: str | None, as_json: bool) -> None:
    """Give the user NAME another password; connections that came with the old one end."""
    from openmessaging.server.security.hashing import hash_password

    hashed = "" if none else hash_password(_ask_password())
    with _changed(store, users) as read:
        _user(read, name).password = hashed
    _told({"name": name, "password": not none}, as_json, f"{name} has {'no' if none else 'another'} password")


@command.command("grant")
@click.argument("name")
@click.argument("grants", nargs=-1, required=True, metavar="GRANT...")
@_where
def grant(name: str, grants: tuple[str, ...], store: str | None, users: str | None, as_json: bool) -> None:
    """Let the user or @ROLE NAME do more: GRANT is a grant, or for users a @ROLE. Roles come into being so."""
    from openmessaging.server.security.users import ADMIN, Role

    with _changed(store, users) as read:
        if name == f"@{ADMIN}":
            raise error(1418, "@admin may do everything already")
        holder: User | Role = read.roles.setdefault(name[1:], Role()) if name.startswith("@") else _user(read, name)
        _each(holder, grants, lambda held, one: held.append(one) if one not in held else None)
    _told({"name": name, "granted": list(grants)}, as_json, f"{name} may {', '.join(grants)}")


@command.command("revoke")
@click.argument("name")
@click.argument("what", nargs=-1, required=True, metavar="GRANT|TOKEN...")
@_where
def revoke(name: str, what: tuple[str, ...], store: str | None, users: str | None, as_json: bool) -> None:
    """Take from the user or @ROLE NAME: grants as `list` shows them, a @ROLE, or tokens by their ids."""
    with _changed(store, users) as read:
        holder = read.roles.get(name[1:]) if name.startswith("@") else _user(read, name)
        if holder is None:
            raise error(1404, f"there is no role {name}", next_step="See `oms user list`", field="name")
        tokens: dict[str, Token] = getattr(holder, "tokens", {})
        rest = tuple(one for one in what if tokens.pop(one, None) is None)

        def take(held: list[str], one: str) -> None:
            if one not in held:
                raise error(1404, f"{name} has no {one}", next_step="See `oms user list`", field="grant")
            held.remove(one)

        _each(holder, rest, take)
    _told({"name": name, "revoked": list(what)}, as_json, f"{name} has lost {', '.join(what)}")


@command.command("limit")
@click.argument("name")
@click.option("--messages-per-s", type=click.FloatRange(0, min_open=True), help="Messages it may send.")
@click.option("--bytes-per-s", type=click.FloatRange(0, min_open=True), help="Bytes it may send.")
@click.option("--connections", type=click.IntRange(1), help="At the same time.")
@click.option("--stored-bytes", type=click.IntRange(1), help="Of all queues that the user may send to.")
@click.option("--none", is_flag=True, help="Take all limits away first.")
@_where
def limit(name: str, none: bool, store: str | None, users: str | None, as_json: bool, **limits: float | None) -> None:
    """Limit what the user NAME uses, over all its connections."""
    import msgspec

    from openmessaging.server.security.quotas import Quota

    given = {field: value for field, value in limits.items() if value is not None}
    with _changed(store, users) as read:
        user = _user(read, name)
        user.quota = msgspec.structs.replace(Quota() if none else user.quota, **given)
        quota = user.quota
    _told({"name": name, "quota": quota}, as_json, f"{name}: {quota}")


@command.command("disable")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let the user in again.")
@_where
def disable(name: str, undo: bool, store: str | None, users: str | None, as_json: bool) -> None:
    """Let the user NAME in no more; its connections end, its rights and tokens are kept."""
    with _changed(store, users) as read:
        _user(read, name).disabled = not undo
    _told({"name": name, "disabled": not undo}, as_json, f"{name} is {'let in again' if undo else 'disabled'}")


def _each(holder: User | Role, texts: tuple[str, ...], change: Callable[[list[str], str], Any]) -> None:
    """Change roles for `@ROLE`, grants for all else."""
    roles: list[str] | None = getattr(holder, "roles", None)
    for text in texts:
        if not text.startswith("@"):
            change(holder.grants, text)
        elif roles is None:
            raise error(1418, f"a role cannot have the role {text}", next_step="Give it grants", field="grant")
        else:
            change(roles, text[1:])


def _new_token(user: User, expires: float | None, grants: tuple[str, ...], note: str) -> str:
    from openmessaging.server.security.hashing import draw_token
    from openmessaging.server.security.users import Token

    number, made, kept = draw_token()
    now_ms = _now_ms()
    ends = None if expires is None else now_ms + int(expires * 1000)
    user.tokens[number] = Token(kept, now_ms, ends, list(grants) or None, note)
    return made


def _ask_password() -> str:
    from openmessaging.server.security.hashing import MIN_PASSWORD

    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        typed = sys.stdin.readline().rstrip("\n")
    if len(typed) < MIN_PASSWORD:
        raise error(1418, f"a password has at least {MIN_PASSWORD} characters", field="password")
    return typed


def _shown(user: User) -> dict[str, Any]:
    """A user without what is secret."""
    tokens = {
        number: {"created_ms": each.created_ms, "expires_ms": each.expires_ms, "grants": each.grants, "note": each.note}
        for number, each in user.tokens.items()
    }
    rest = {"roles": user.roles, "grants": user.grants, "subjects": user.subjects, "quota": user.quota}
    return {**rest, "password": bool(user.password), "disabled": user.disabled, "tokens": tokens}


def _told(document: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print_json(document)
    else:
        print(text)


def _now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000
