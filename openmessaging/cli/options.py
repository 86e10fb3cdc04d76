"""Options that commands share, and the store they lead to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click

from openmessaging import blocking as oms
from openmessaging.drivers.embedded.door import read_door
from openmessaging.model.access_point import parse
from openmessaging.model.errors import error
from openmessaging.transport.proof import ATTRIBUTES

Function = TypeVar("Function", bound=Callable[..., Any])
_BARE = re.compile(r"\s*([\w.-]+)\s*=\s*(?!(?:true|false|null)\s*$)([^\W\d][\w-]*)\s*", re.IGNORECASE)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
url_option = click.option(
    "--url", envvar="OMS_URL", metavar="URL", help="Where the messages are, as oms:embedded://PATH.  [env: OMS_URL]"
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def store_options(function: Function) -> Function:
    """`--url` and `--json`."""
    return url_option(json_option(function))


def default_url() -> str:
    """The store of this user."""
    from platformdirs import user_data_dir

    return f"oms:embedded://{os.path.join(user_data_dir('openmessaging', appauthor=False), 'store')}"


@contextmanager
def connected(url: str | None, *, create: bool = False) -> Iterator[oms.AccessPoint]:
    """An open access point.

    Args:
        url: as given; None: the store of this user.
        create: whether the store, and queues on first use, come into being. Else looking never makes anything; where
            another process has the store open, its options decide about queues.

    Credentials come from the environment: OMS_ACCOUNT_KEY, OMS_TLS and so on, see `openmessaging.transport.proof`; and
    what may be emulated: OMS_EMULATE, names with commas between.

    Raises OMSRuntimeException 10000 when there is no store, and what `connect` raises.
    """
    where, attributes, emulate = connection(url, create)
    with oms.connect(where, attributes, emulate=emulate) as opened:
        yield opened


def connection(url: str | None, create: bool) -> tuple[str, dict[str, Any], list[str]]:
    """URL, attributes, and what may be emulated, for `connect`; see `connected`."""
    where = url or default_url()
    access_point = parse(where)
    if (
        not create
        and access_point.driver == "embedded"
        and not os.path.isdir(os.path.join(access_point.path or "", "log"))
    ):
        step = "Give another --url or OMS_URL; `oms send` and `oms queue create` make a new store"
        raise error(10000, f"there is no store in {access_point.path}", next_step=step)
    options: dict[str, Any] = {"auto_create": create}
    door = read_door(os.path.realpath(access_point.path or "")) if access_point.driver == "embedded" else None
    if door is not None:
        options = door.options  # of the process that has the store open
    shown = {name: value for name in ATTRIBUTES if (value := os.environ.get(f"OMS_{name}"))}
    return where, {**options, **shown}, os.environ.get("OMS_EMULATE", "").replace(",", " ").split()


def confirm(question: str, yes: bool) -> None:
    """Ask on standard error, unless `yes`. Raises click.ClickException when the answer is no, or nobody can answer."""
    if yes:
        return
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:
        click.echo(err=True)
    raise click.ClickException("not confirmed, nothing was changed; --yes answers beforehand")


def duration(text: str) -> float:
    """A length of time in seconds: a number of them, or numbers with units, as 500ms, 90s, 10m, 1h30m, 2d."""
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise click.BadParameter(f"{text!r} is no length of time; write it as 90s, 10m, 1h30m or 2d.")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def moment(text: str) -> datetime:
    """A time as ISO 8601 writes it, of this machine's zone unless it says another."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write it as 2026-03-01T08:30.") from None


_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def position(text: str) -> str | datetime:
    """A position, which may be written as a time (of this machine's zone unless it says another)."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def address(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """HOST:PORT or PORT."""
    if text is None:
        return None
    host, _mark, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise click.BadParameter("write PORT or HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def quoted(_: click.Context, __: click.Parameter, condition: str | None) -> str | None:
    """An SQL condition. One like `color = red` would compare two properties, and is nearly always one whose quotation
    marks were forgotten, or taken by the shell. Raises click.BadParameter for it."""
    bare = _BARE.fullmatch(condition or "")
    if bare is not None:
        raise click.BadParameter(f"{bare[2]} would be a property. For the text write \"{bare[1]} = '{bare[2]}'\"")
    return condition


def as_property(text: str) -> tuple[str, str]:
    """Name and value of what `--property` got. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--property {text!r} is not NAME=VALUE.")
    return name, value
