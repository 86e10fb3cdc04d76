"""`oms delayed`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from openmessaging.cli.failure import NOTHING
from openmessaging.cli.options import connected, duration, moment, store_options
from openmessaging.cli.output import as_time, print_json, print_table


@click.group("delayed")
def command() -> None:
    """List, cancel and reschedule messages that are not due yet."""


@command.command("list")
@click.argument("queue")
@click.option("--max", "maximum", default=100, show_default=True, type=click.IntRange(min=1), help="At most so many.")
@store_options
def list_delayed(queue: str, maximum: int, url: str | None, as_json: bool) -> None:
    """List messages of QUEUE that are not due yet, in the order of sending."""
    with connected(url) as access_point:
        found = access_point.resource_manager().list_delayed(queue, maximum)
    if as_json:
        print_json(found)
    else:
        rows = [(each.message_id, as_time(each.due_ms), each.message_key, each.size_bytes) for each in found]
        print_table(("message id", "due", "key", "bytes"), rows)


@command.command("cancel")
@click.argument("queue")
@click.argument("ids", metavar="MESSAGE_ID", nargs=-1, required=True)
@store_options
def cancel(queue: str, ids: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Take delayed messages of QUEUE back, so that they are never delivered.

    The exit code is 3 when it was too late for one of them: it was due or cancelled before, or there is none.
    """
    with connected(url) as access_point, access_point.create_producer() as producer:
        done = [(message_id, producer.cancel(queue, message_id)) for message_id in ids]
    _report(done, "cancelled", as_json)


@command.command("reschedule")
@click.argument("queue")
@click.argument("ids", metavar="MESSAGE_ID", nargs=-1, required=True)
@click.option("--delay", type=duration, metavar="TIME", help="Deliver so long from now, as 90s, 10m, 1h30m.")
@click.option("--at", "deliver_at", type=moment, metavar="WHEN", help="Deliver at that time, as 2026-03-01T08:30.")
@store_options
def reschedule(
    queue: str, ids: tuple[str, ...], delay: float | None, deliver_at: datetime | None, url: str | None, as_json: bool
) -> None:
    """Deliver delayed messages of QUEUE at another time; the exit code is as that of `cancel`."""
    if (delay is None) == (deliver_at is None):
        raise click.UsageError("Give --delay or --at.")
    with connected(url) as access_point, access_point.create_producer() as producer:
        done = [
            (message_id, producer.reschedule(queue, message_id, delay=delay, deliver_at=deliver_at))
            for message_id in ids
        ]
    _report(done, "rescheduled", as_json)


def _report(done: list[tuple[str, bool]], verb: str, as_json: bool) -> None:
    """Say what became of each."""
    for message_id, well in done:
        document: dict[str, Any] = {"message_id": message_id, verb: well}
        if as_json:
            print_json(document)
        else:
            print(f"{verb} {message_id}" if well else f"too late: no message {message_id} waits")
    if not all(well for _, well in done):
        click.get_current_context().exit(NOTHING)
