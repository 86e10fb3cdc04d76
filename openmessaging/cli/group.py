"""`oms group`."""

from __future__ import annotations

import click

from openmessaging.cli.options import confirm, connected, position, store_options, yes_option
from openmessaging.cli.output import as_time, print_fields, print_json, print_table


@click.group("group")
def command() -> None:
    """List, describe, seek and delete consumer groups."""


@command.command("list")
@click.argument("queue", required=False)
@store_options
def list_groups(queue: str | None, url: str | None, as_json: bool) -> None:
    """List the groups of QUEUE, or of all queues."""
    with connected(url) as access_point:
        groups = access_point.resource_manager().list_groups(queue)
    if as_json:
        print_json(groups)
    else:
        rows = [
            (info.name, info.queue, info.lag, info.in_flight, info.retrying, as_time(info.oldest_ms)) for info in groups
        ]
        print_table(("group", "queue", "behind", "in flight", "retrying", "oldest"), rows)


@command.command("describe")
@click.argument("queue")
@click.argument("group")
@store_options
def describe(queue: str, group: str, url: str | None, as_json: bool) -> None:
    """Show how far GROUP of QUEUE is, and its settings."""
    with connected(url) as access_point:
        info = access_point.resource_manager().describe_group(queue, group)
    if as_json:
        print_json(info)
        return
    config, backoff = info.config, info.config.backoff
    fields: dict[str, object] = {
        "group": info.name,
        "queue": info.queue,
        "behind": info.lag,
        "in flight": info.in_flight,
        "retrying": info.retrying,
        "oldest": as_time(info.oldest_ms),
        "settled below": ", ".join(map(str, info.floors)),
        "dead letters": info.dead_letter_queue,
        "order": config.order,
        "filter": config.filter or "",
        "invisible time": f"{config.invisible_time:g} s",
        "deliveries": f"{backoff.max_delivery}, {backoff.initial:g} s apart and then {backoff.factor:g} times as long",
    }
    print_fields(fields)


@command.command("seek")
@click.argument("queue")
@click.argument("group")
@click.option(
    "--to",
    required=True,
    help="earliest, latest, offset:N, ts:MILLISECONDS, a time as 2026-03-01T08:30, key:KEY or last-key:KEY.",
)
@click.option("--partition", type=click.IntRange(min=0), help="Move only this partition; with --to offset:N.")
@store_options
def seek(queue: str, group: str, to: str, partition: int | None, url: str | None, as_json: bool) -> None:
    """Move GROUP of QUEUE to a position; messages it holds are given back.

    A key is looked for from the oldest message on (last-key: from the newest), and moves its partition only.
    """
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        manager.seek_group(queue, group, position(to) if partition is None else {partition: _offset(to)})
        info = manager.describe_group(queue, group)
    if as_json:
        print_json(info)
    else:
        print(f"moved {info.name} of {info.queue} to {to}: {info.lag:,} messages behind")


@command.command("delete")
@click.argument("queue")
@click.argument("group")
@yes_option
@store_options
def delete(queue: str, group: str, yes: bool, url: str | None, as_json: bool) -> None:
    """Delete GROUP of QUEUE; its dead-letter queue stays."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.describe_group(queue, group)
        confirm(f"Delete the group {info.name} of {info.queue}, {info.lag:,} messages behind?", yes)
        manager.delete_group(queue, group)
    if as_json:
        print_json({"queue": info.queue, "group": info.name, "deleted": True})
    else:
        print(f"deleted the group {info.name} of {info.queue}")


def _offset(text: str) -> int:
    number = text.removeprefix("offset:")
    if not (number.isascii() and number.isdigit()):
        raise click.UsageError("With --partition, give --to offset:N.")
    return int(number)
