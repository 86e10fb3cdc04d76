"""Printing: JSON, tables, bodies, and a count for long input. What needs a terminal is imported only on one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec


def print_json(document: Any) -> None:
    """A document on one line; structures are written as objects."""
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table: framed on a terminal; else columns with two spaces between, nothing cut. Numbers go to the right."""
    texts = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    if sys.stdout.isatty():
        _print_framed(columns, texts, right)
        return
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    for line in (columns, *texts):
        cells = (
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(line, widths, right, strict=True)
        )
        print("  ".join(cells).rstrip())


def print_fields(fields: dict[str, object]) -> None:
    """Names and values, one per line."""
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        print(f"{name:<{width}}{_cell(value)}")


def as_text(body: bytes) -> str:
    """A body as text when it is UTF-8, else as `hex:` and its bytes; on a terminal without control characters."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"hex:{body.hex()}"
    return harmless(text) if sys.stdout.isatty() else text


def harmless(text: str) -> str:
    """Text with everything escaped that could steer a terminal."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def as_time(ms: int | None) -> str:
    """A time in UTC."""
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


@contextmanager
def counting(label: str) -> Iterator[Callable[[int], None]]:
    """A count that grows on a terminal while the block runs; call what it gives with how many more there are."""
    if not sys.stderr.isatty():
        yield lambda more: None  # noqa: ARG005 - nothing to show
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(label + " {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda more: progress.advance(task, more)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else harmless(str(value))


def _print_framed(columns: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, is_right in zip(columns, right, strict=True):
        table.add_column(name, justify="right" if is_right else "left", overflow="fold")
    for line in texts:
        table.add_row(*map(Text, line))
    Console().print(table)
