"""`oms queue`."""

from __future__ import annotations

from typing import Any

import click

from openmessaging.cli.copy import copy
from openmessaging.cli.options import confirm, connected, quoted, store_options, yes_option
from openmessaging.cli.output import print_fields, print_json, print_table
from openmessaging.cli.table import get, table


@click.group("queue")
def command() -> None:
    """Create, list, describe, copy, read as a table, delete and purge queues."""


command.add_command(copy)
command.add_command(table)
command.add_command(get)


@command.command("create")
@click.argument("queue")
@click.option("--partitions", default=1, show_default=True, type=click.IntRange(min=1), help="Number of partitions.")
@click.option("--retention", type=click.Choice(["consumed", "keep"]), help="When messages may go.  [default: consumed]")
@click.option("--retention-age", type=click.FloatRange(min=0), help="Seconds after which a message may go.")
@click.option("--retention-bytes", type=click.IntRange(min=0), help="Bytes that a partition keeps.")
@click.option("--compact", is_flag=True, default=None, help="Keep the newest message of each key, for good.")
@click.option("--tombstone-age", type=click.FloatRange(min=0), help="Seconds that an empty message of a key is kept.")
@store_options
def create(queue: str, partitions: int, url: str | None, as_json: bool, **settings: Any) -> None:
    """Create QUEUE, and the store when there is none."""
    with connected(url, create=True) as access_point:
        manager = access_point.resource_manager()
        given = {name: value for name, value in settings.items() if value is not None}
        manager.create_queue(queue, partitions, **given)
        info = manager.describe_queue(queue)
    if as_json:
        print_json(info)
    else:
        print(f"created {info.name} with {info.partitions} partition{'' if info.partitions == 1 else 's'}")


@command.command("list")
@store_options
def list_queues(url: str | None, as_json: bool) -> None:
    """List the queues of all namespaces."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        names = sorted(name for namespace in manager.list_namespaces() for name in manager.list_queues(namespace))
        queues = [manager.describe_queue(name) for name in names]
    if as_json:
        print_json(queues)
    else:
        rows = [(info.name, info.partitions, info.messages, ", ".join(info.groups)) for info in queues]
        print_table(("queue", "partitions", "messages", "groups"), rows)


@command.command("describe")
@click.argument("queue")
@store_options
def describe(queue: str, url: str | None, as_json: bool) -> None:
    """Show partitions, offsets, groups and settings of QUEUE."""
    with connected(url) as access_point:
        info = access_point.resource_manager().describe_queue(queue)
    if as_json:
        print_json(info)
        return
    fields: dict[str, object] = {"queue": info.name, "messages": info.messages, "groups": ", ".join(info.groups)}
    if info.delayed:
        fields["delayed"] = info.delayed
    if info.expired:
        fields["expired"] = info.expired
    fields |= {f"setting {name}": value for name, value in info.config.items()}
    for at, (first, end) in enumerate(info.offsets):
        fields[f"partition {at}"] = f"offsets {first} to {end}"
        if at >= info.partitions:
            base, priority = info.lanes[at - info.partitions]
            fields[f"partition {at}"] = f"offsets {first} to {end}, priority {priority} of partition {base}"
    print_fields(fields)


@command.command("filter")
@click.argument("queue")
@click.argument("sql", required=False, callback=quoted)
@store_options
def filter_queue(queue: str, sql: str | None, url: str | None, as_json: bool) -> None:
    """Let the consumers of QUEUE get only what matches the condition SQL; "" takes it away.

    Without SQL, show the condition that the queue has.

    \b
    oms queue filter orders "color = 'red' AND weight > 5"
    """
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        if sql is not None:
            manager.filter(queue, sql)
        info = manager.describe_queue(queue)
    found = info.config.get("filter") or ""
    text = f"what matches: {found}" if found else "every message"
    _say(
        as_json,
        {"queue": info.name, "filter": found},
        found if sql is None else f"{info.name} gives its consumers {text}",
    )


@command.command("delete")
@click.argument("queue")
@yes_option
@store_options
def delete(queue: str, yes: bool, url: str | None, as_json: bool) -> None:
    """Delete QUEUE with its messages and groups; their dead-letter queues stay."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.describe_queue(queue)
        confirm(f"Delete {info.name} with {info.messages:,} messages and {len(info.groups)} groups?", yes)
        manager.delete_queue(queue)
    _say(as_json, {"queue": info.name, "deleted": True}, f"deleted {info.name}")


@command.command("purge")
@click.argument("queue")
@yes_option
@store_options
def purge(queue: str, yes: bool, url: str | None, as_json: bool) -> None:
    """Drop all messages of QUEUE; the queue and its groups stay."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.describe_queue(queue)
        confirm(f"Drop all {info.messages:,} messages of {info.name}?", yes)
        dropped = manager.purge_queue(queue)
    _say(as_json, {"queue": info.name, "purged": dropped}, f"dropped {dropped:,} messages of {info.name}")


def _say(as_json: bool, document: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(document)
    else:
        print(text)
