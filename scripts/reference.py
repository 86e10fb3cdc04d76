"""Writes the tables of docs/reference/ from the code. With --check: fails if a page is not what would be written."""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec

from openmessaging import cli
from openmessaging.broker.store import StoreOptions
from openmessaging.model import errors
from openmessaging.model.headers import FIELDS, INT_MAX, LONG_MAX, LONG_MIN
from openmessaging.model.spi import Backoff, GroupConfig
from openmessaging.server.config import Config
from openmessaging.server.http.openapi import document_text

PAGES = Path(__file__).parent.parent / "docs" / "reference"
SPECIFICATION = Path(__file__).parent.parent / "spec" / "openapi.json"
SAMPLE = Path(__file__).parent.parent / "deploy" / "oms.toml"
MARKED = re.compile(r"(<!-- written by scripts/reference\.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def error_table() -> Iterator[str]:
    """A row per code."""
    yield "| code | meaning | class | retryable | indefinite |"
    yield "|---|---|---|---|---|"
    for code, meaning in errors.CODES.items():
        error = errors.error(code, "")
        marks = ("yes" if flag else "" for flag in (error.retryable, error.indefinite))
        yield f"| {code} | {meaning} | `{type(error).__name__}` | {' | '.join(marks)} |"


def number(value: int) -> str:
    """A bound as people read it."""
    return {INT_MAX: "2^31 - 1", LONG_MAX: "2^63 - 1", LONG_MIN: "-2^63"}.get(value, str(value))


def header_table() -> Iterator[str]:
    """A row per header field."""
    yield "| standard | Python | part | type | range | default | set by |"
    yield "|---|---|---|---|---|---|---|"
    for field in FIELDS.values():
        limits = "" if field.kind == "String" else f"{number(field.low)} to {number(field.high)}"
        default = "" if field.default is None else field.default
        setter = "provider" if field.provider else "sender"
        yield (
            f"| `{field.name}` | `{field.attribute}` | {field.part} | {field.kind} | {limits} | {default} | {setter} |"
        )


def meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What each field is for: from the "Attributes" of the class, or the text after the field."""
    definition = ast.parse(inspect.getsource(struct)).body[0]
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = str(after.value.value)
    listed = (inspect.getdoc(struct) or "").partition("Attributes:")[2]
    for base in struct.__bases__:
        if base is not msgspec.Struct and issubclass(base, msgspec.Struct):
            found |= meanings(base)
    found.update(re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE))
    return {name: " ".join(text.split()) for name, text in found.items()}


def settings(struct: type[msgspec.Struct]) -> Iterator[str]:
    """A row per field of a structure of settings."""
    texts = meanings(struct)
    for field in msgspec.structs.fields(struct):
        if not isinstance(field.default, msgspec.Struct):
            default = f"{field.default:,}" if type(field.default) is int else field.default
            default = "empty" if default in ("", msgspec.NODEFAULT) else default
            chosen = (
                f" One of {', '.join(map(str, get_args(field.type)))}." if get_origin(field.type) is Literal else ""
            )
            yield f"| `{field.name}` | {default} | {texts.get(field.name, '')}{chosen} |"


def store_table() -> Iterator[str]:
    """A row per option of a connection to an embedded store."""
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    yield from settings(StoreOptions)


def group_table() -> Iterator[str]:
    """A row per setting of a group."""
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    yield from settings(GroupConfig)
    yield ""
    yield f"Back-off. {' '.join((inspect.getdoc(Backoff) or '').split())}"
    yield ""
    yield "| setting | default |"
    yield "|---|---|"
    for field in msgspec.structs.fields(Backoff):
        yield f"| `{field.name}` | {field.default} |"


def server_tables() -> Iterator[str]:
    """A table per section of a server's configuration."""
    for section, kind in get_type_hints(Config).items():
        yield f"### [{section}]"
        yield f"{(inspect.getdoc(kind) or '').partition('Attributes:')[0].strip()}"
        yield ""
        yield "| option | default | meaning |"
        yield "|---|---|---|"
        yield from settings(kind)
        yield ""


def toml(value: Any) -> str:
    """A value as TOML writes it: numbers, texts, and lists and tables of them."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {toml(each)}' for name, each in value.items())}}}"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def sample() -> Iterator[str]:
    """A configuration file with every option of a server, each with its default, commented out."""
    yield "# Every option of oms serve, with its default; written by scripts/reference.py. Uncomment what you change,"
    yield "# and check it with: oms serve --check --config FILE"
    for section, kind in get_type_hints(Config).items():
        texts = meanings(kind)
        yield ""
        yield from (
            f"# {line}" for line in (inspect.getdoc(kind) or "").partition("Attributes:")[0].strip().split("\n")
        )
        yield f"[{section}]"
        for field in msgspec.structs.fields(kind):
            yield from (f"# {line}" for line in textwrap.wrap(texts.get(field.name, ""), 116))
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            shown = toml(default)
            yield f"#{field.name} = {shown}"


def command_help(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """The help of a command and of all below it."""
    settings: dict[str, Any] = {"terminal_width": 100, "max_content_width": 100, **command.context_settings}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    if not isinstance(command, click.Group):
        yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        return
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        assert found is not None
        yield from command_help(found, below, context)


def commands() -> Iterator[str]:
    """Help of every command."""
    yield from command_help(cli.main, "oms")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "errors": error_table,
    "headers": header_table,
    "store": store_table,
    "group": group_table,
    "server": server_tables,
    "cli": commands,
}


def written(text: str) -> str:
    """A page with its tables made anew."""
    return MARKED.sub(lambda match: match[1] + "\n".join(TABLES[match[2]]()) + "\n" + match[3], text)


def run(check: bool) -> int:
    """Write or check every page; the exit code."""
    wanted = {page: written(page.read_text()) for page in sorted(PAGES.glob("*.md"))}
    wanted[SAMPLE] = "\n".join(sample()) + "\n"
    stale = [page for page, text in wanted.items() if not page.exists() or page.read_text() != text]
    for page in stale:
        print(f"{page.name} {'is not what the code says: run python scripts/reference.py' if check else 'written'}")
        if not check:
            page.write_text(wanted[page])
    described = document_text()
    if not SPECIFICATION.exists() or SPECIFICATION.read_text() != described:
        stale.append(SPECIFICATION)
        print(f"openapi.json {'is not what the code says: run python scripts/reference.py' if check else 'written'}")
        if not check:
            SPECIFICATION.write_text(described)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(run("--check" in sys.argv[1:]))
