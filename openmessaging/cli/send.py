"""`oms send`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import click

from openmessaging import blocking as oms
from openmessaging.cli.line import at_line, from_line
from openmessaging.cli.options import as_property, connected, duration, moment, store_options
from openmessaging.cli.output import counting, print_json
from openmessaging.model.errors import OMSRuntimeException


@click.command("send")
@click.argument("queue")
@click.argument("body", nargs=-1)
@click.option("--key", help="Message key: messages of one key keep their order.")
@click.option("--priority", type=click.IntRange(1, 10), help="1 lowest to 10 highest; 5 when left out.")
@click.option("--delay", type=duration, metavar="TIME", help="Deliver so long after it was sent, as 90s, 10m, 1h30m.")
@click.option("--at", "deliver_at", type=moment, metavar="WHEN", help="Deliver at that time, as 2026-03-01T08:30.")
@click.option("--expire", "ttl", type=duration, metavar="TIME", help="Drop it if nobody has received it so long after.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property, text; may be repeated."
)
@click.option("--stdin", "lines", is_flag=True, help="Each line of standard input is a message.")
@click.option(
    "--jsonl", is_flag=True, help="Each line of standard input is a message in JSON, as `receive --json` prints."
)
@click.option(
    "--batch", default=500, show_default=True, type=click.IntRange(1, 10_000), help="Messages stored at once."
)
@store_options
def command(
    queue: str,
    body: tuple[str, ...],
    key: str | None,
    priority: int | None,
    delay: float | None,
    deliver_at: datetime | None,
    ttl: float | None,
    properties: tuple[str, ...],
    lines: bool,
    jsonl: bool,
    batch: int,
    url: str | None,
    as_json: bool,
) -> None:
    """Send messages to a queue.

    They are each BODY, or what standard input holds. QUEUE is created when it is missing.

    A batch is stored whole or not at all, and is on the disk before the next one is read. A line of JSON is
    {"body": "text", "key": "k", "properties": {…}, "headers": {"correlationId": …}}; only the body is required.

    \b
    oms send orders pizza salad --key alice
    oms send orders "ambulance needs fuel" --priority 9
    oms send reminders "call Alice" --delay 10m
    seq 100000 | oms send numbers --stdin
    oms receive orders --peek --json | oms send copies --jsonl
    """
    if bool(body) + lines + jsonl != 1:
        raise click.UsageError("Give either BODY, or --stdin, or --jsonl.")
    times = {"delay": delay, "deliver_at": deliver_at, "ttl": ttl}
    given = {name: value for name, value in times.items() if value is not None}
    if jsonl and (key or properties or priority or given):
        raise click.UsageError(
            "--key, --priority, --delay, --at, --expire and --property go with BODY and --stdin; "
            "a line of JSON has its own."
        )
    if delay is not None and deliver_at is not None:
        raise click.UsageError("Give --delay or --at, not both.")
    common: dict[str, Any] = {
        "message_key": key,
        "properties": dict(map(as_property, properties)),
        "priority": priority,
        **given,
    }
    with connected(url, create=True) as access_point, access_point.create_producer() as producer:
        messages: Iterable[oms.Message]
        if jsonl:
            messages = (from_line(line, number, queue) for number, line in _stdin_lines() if line.strip())
        elif lines:
            messages = _from_lines(producer, queue, common)
        else:
            messages = (
                producer.create_message(queue, text.encode(errors="surrogateescape"), **common) for text in body
            )
        _send(producer, messages, batch, access_point.full(queue), as_json)


def _stdin_lines() -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def _from_lines(producer: oms.Producer, queue: str, common: dict[str, Any]) -> Iterator[oms.Message]:
    for number, line in _stdin_lines():
        try:
            yield producer.create_message(queue, line, **common)
        except OMSRuntimeException as failure:
            raise at_line(failure, number) from failure


def _send(producer: oms.Producer, messages: Iterable[oms.Message], batch: int, name: str, as_json: bool) -> None:
    """Send in batches; an error says how many were stored before it."""
    sent = 0
    durability = ""
    iterator = iter(messages)
    with counting("sent") as advance:
        try:
            while part := list(islice(iterator, batch)):
                results = producer.send(part)
                sent += len(part)
                durability = results[0].durability
                advance(len(part))
                if as_json:
                    for result in results:
                        print_json(_document(result))
        except OMSRuntimeException as failure:
            failure.reason += f" ({sent:,} messages were stored before)" if sent else ""
            raise
    if not as_json:
        print(f"sent {sent:,} message{'' if sent == 1 else 's'} to {name} ({durability or 'nothing to send'})")


def _document(result: oms.SendResult) -> dict[str, Any]:
    return {
        "queue": result.destination,
        "message_id": result.message_id,
        "partition": result.partition,
        "offset": result.offset,
        "store_timestamp": result.store_timestamp,
        "durability": result.durability,
    }
