"""Writes the tables of docs/reference/ from the code. With --check: fails if a page is not what would be written."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from openmessaging import cli
from openmessaging.model import errors
from openmessaging.model.headers import FIELDS

PAGES = Path(__file__).parent.parent / "docs" / "reference"
MARKED = re.compile(r"(<!-- written by scripts/reference\.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def error_table() -> Iterator[str]:
    """A row per code."""
    yield "| code | meaning | class | retryable | indefinite |"
    yield "|---|---|---|---|---|"
    for code, meaning in errors.CODES.items():
        error = errors.error(code, "")
        marks = ("yes" if flag else "" for flag in (error.retryable, error.indefinite))
        yield f"| {code} | {meaning} | `{type(error).__name__}` | {' | '.join(marks)} |"


def header_table() -> Iterator[str]:
    """A row per header field."""
    yield "| standard | Python | part | type | range | default | set by |"
    yield "|---|---|---|---|---|---|---|"
    for field in FIELDS.values():
        limits = "" if field.kind == "String" else f"{field.low} to {field.high}"
        default = "" if field.default is None else field.default
        setter = "provider" if field.provider else "sender"
        yield (
            f"| `{field.name}` | `{field.attribute}` | {field.part} | {field.kind} | {limits} | {default} | {setter} |"
        )


def command_help(command: click.Command, name: str) -> Iterator[str]:
    """The help of a command and of all below it."""
    context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    if not isinstance(command, click.Group):
        yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
        return
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        assert found is not None
        yield from command_help(found, f"{name} {below}")


def commands() -> Iterator[str]:
    """Help of every command."""
    yield from command_help(cli.main, "oms")


TABLES: dict[str, Callable[[], Iterator[str]]] = {"errors": error_table, "headers": header_table, "cli": commands}


def written(text: str) -> str:
    """A page with its tables made anew."""
    return MARKED.sub(lambda match: match[1] + "\n".join(TABLES[match[2]]()) + "\n" + match[3], text)


def run(check: bool) -> int:
    """Write or check every page; the exit code."""
    stale = [page for page in sorted(PAGES.glob("*.md")) if written(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.name} {'is not what the code says: run python scripts/reference.py' if check else 'written'}")
        if not check:
            page.write_text(written(page.read_text()))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(run("--check" in sys.argv[1:]))
