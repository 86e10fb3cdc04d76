"""The configuration of a server: one tree of structs, read from a TOML file and the environment.

What a file says is overridden by `OMS_SERVE_SECTION_KEY` in the environment, and that by what the caller says. A name
that does not exist is an error that gives the nearest one, for a misspelled option would otherwise do nothing.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from openmessaging.broker.store import StoreOptions
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.health import HealthSection
from openmessaging.server.http.settings import HttpLimits
from openmessaging.server.logs import LogSection
from openmessaging.server.security import SecurityConfig, TlsConfig
from openmessaging.server.settings import Limits
from openmessaging.server.tracing import TracingSection

PREFIX = "OMS_SERVE_"


class StoreSection(StoreOptions, frozen=True, forbid_unknown_fields=True):
    """The store that is served.

    Attributes:
        path: its directory, made when missing; empty: one among the data of the user who runs the server.
    """

    path: str = ""


class ListenSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the native protocol answers."""

    tcp: str = "127.0.0.1:7667"
    """HOST:PORT; port 0 takes a free one; empty: not at all."""
    unix: str = ""
    """Path of a Unix socket that only the user who runs the server may open; empty: none."""


class HttpSection(HttpLimits, frozen=True, forbid_unknown_fields=True):
    """Where HTTP answers: the binding, the dashboard, health and metrics; and what a request may take.

    Attributes:
        listen: HOST:PORT; port 0 takes a free one; empty: not at all.
    """

    listen: str = ""


class CallbackKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that callbacks are signed with."""

    id: str
    """Its name: letters, digits, `-` and `_`. Receivers find the secret by it."""
    secret: str
    """At least 32 characters that nobody can guess."""


class CallbacksSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Push callbacks of the HTTP binding: where the server may post messages to. Without hosts, nowhere."""

    hosts: tuple[str, ...] = ()
    """Where callbacks may go: `hooks.example.org`, `*.example.org`, `hooks.example.org:8443`, an address; `*` for all.
    Without a port, that of the scheme; `:*` for any."""
    networks: tuple[str, ...] = ()
    """Networks, as `10.1.0.0/16`, that may be connected to although they are not public."""
    plain_http: bool = False
    """Whether `http:` is allowed; else `https:` only."""
    keys: tuple[CallbackKey, ...] = ()
    """Each post is signed with each of them. Add a new one before the receivers know it, take the old one out after."""
    timeout: float = 10.0
    """Seconds that a post may take."""
    concurrency: int = 64
    """Posts under way at once."""
    per_callback: int = 4
    """Posts of one callback under way at once."""
    maximum: int = 1000
    """Callbacks at most."""


class ShutdownSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The orderly end."""

    delay: float = 0.0
    """Seconds between `/readyz` turning 503 and the end of listening: as long as a load balancer takes to notice."""
    grace: float = 5.0
    """Seconds for what is being stored to be answered, and for consumers to settle what they have in hand."""


class MetricsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `/metrics` tells."""

    max_series: int = 500
    """Most queues, and most groups, that are told by name, the oldest first; the rest is summed as `(others)`."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that `oms serve` can be told; a field is a section of the file."""

    store: StoreSection = StoreSection()
    listen: ListenSection = ListenSection()
    http: HttpSection = HttpSection()
    security: SecurityConfig = SecurityConfig()
    tls: TlsConfig = TlsConfig()
    limits: Limits = Limits()
    callbacks: CallbacksSection = CallbacksSection()
    shutdown: ShutdownSection = ShutdownSection()
    log: LogSection = LogSection()
    health: HealthSection = HealthSection()
    metrics: MetricsSection = MetricsSection()
    tracing: TracingSection = TracingSection()


def address(text: str) -> tuple[str, int]:
    """HOST and PORT of `HOST:PORT`, `[IPV6]:PORT` or `PORT` (of the loopback). Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is no address; write HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def load(text: str, name: str, environment: Mapping[str, str]) -> Config:
    """The configuration that a file's text and the environment make.

    Args:
        text: TOML.
        name: of the file, for errors.
        environment: variables, of which those that begin with OMS_SERVE_ count.

    Raises OMSRuntimeException 1418 with file, line and option for whatever is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise error(1418, f"{name}: {cause}", next_step="Mend the file's syntax (https://toml.io)") from cause
    for path, known in _unknown(document, Config, ()):
        raise _no_such(f"{name}{_line(text, path)}", ".".join(path), path[-1], known)
    config = _converted(document, lambda path: f"{name}{_line(text, path)}", strict=True)
    overrides: dict[str, Any] = {}
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            section, key = _option(variable)
            value = _read(environment[variable])
            overrides.setdefault(section, {})[key] = value
            _converted({section: {key: value}}, lambda _, variable=variable: variable, strict=False)
    if overrides:
        merged = {section: {**document.get(section, {}), **values} for section, values in overrides.items()}
        config = _converted({**document, **merged}, lambda path: ".".join(path), strict=False)
    return config


def options() -> Iterator[tuple[str, str]]:
    """Every section and key."""
    for section, kind in get_type_hints(Config).items():
        for key in kind.__struct_fields__:
            yield section, key


def _option(variable: str) -> tuple[str, str]:
    """Section and key that a variable sets. Raises 1418 when there are none."""
    known = {f"{PREFIX}{section}_{key}".upper(): (section, key) for section, key in options()}
    found = known.get(variable)
    if found is None:
        raise _no_such("the environment", variable, variable, list(known))
    return found


def _read(value: str) -> Any:
    """Lists and tables are written as in the file, all else as it is."""
    if value.startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            pass
    return value


def _converted(document: dict[str, Any], where: Any, *, strict: bool) -> Config:
    try:
        return msgspec.convert(document, Config, strict=strict)
    except msgspec.ValidationError as cause:
        reason, _, at = str(cause).partition(" - at `$.")
        path = tuple(re.findall(r"[\w-]+", at.partition("[")[0]))
        option = ".".join(path)
        step = "See docs/reference/configuration.md"
        raise error(1418, f"{where(path)}: {option}: {reason}", next_step=step, field=option) from cause


def _no_such(where: str, option: str, name: str, known: list[str]) -> OMSRuntimeException:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    step = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}"
    return error(1418, f"{where}: there is no option {option}", next_step=step, field=option)


def _unknown(table: Any, kind: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Names in a table that its struct does not have, each with those that it has."""
    if not isinstance(table, dict):
        return
    hints = get_type_hints(kind)
    for key, value in table.items():
        if key not in hints:
            yield (*path, key), list(hints)
            continue
        for struct in _structs(hints[key]):
            for each in value if isinstance(value, list) else (value,):
                yield from _unknown(each, struct, (*path, key))


def _structs(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """Structs that a value of a type may be, alone or in a list."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    elif get_origin(hint) in (list, tuple, Union, types.UnionType):
        for argument in get_args(hint):
            yield from _structs(argument)
    elif get_origin(hint) is Literal:
        return


def _line(text: str, path: tuple[str, ...]) -> str:
    """`:LINE` of an option in a file, as near as a search for its name gets: nothing when it is not found."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([\w.\- ]+?)\s*\]+", line):
            section = header[1]
            if len(path) == 1 and section.partition(".")[0] == path[0]:
                return f":{number}"
        elif (
            path
            and (not section or section.split(".") == list(path[: len(section.split("."))]))
            and re.match(rf'\s*(?:[\w.-]+\.)?"?{re.escape(path[-1])}"?\s*=', line)
        ):
            return f":{number}"
    return ""
