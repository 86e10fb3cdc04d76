"""`oms dead-letter`."""

from __future__ import annotations

import click

from openmessaging.cli.failure import NOTHING
from openmessaging.cli.line import to_line
from openmessaging.cli.options import connected, quoted, store_options
from openmessaging.cli.output import as_text, as_time, counting, print_fields, print_json, print_table
from openmessaging.runtime.choice import choice


@click.group("dead-letter")
def command() -> None:
    """Look at messages that failed too often, and send them back."""


@command.command("list")
@click.argument("queue")
@click.argument("group")
@store_options
def list_letters(queue: str, group: str, url: str | None, as_json: bool) -> None:
    """List the dead letters of GROUP of QUEUE that were not sent back, the oldest first."""
    with connected(url) as access_point:
        found = access_point.resource_manager().dead_letters(queue, group)
    if as_json:
        for message in found:
            print_json(to_line(message))
        return
    rows = [
        (
            message.message_id,
            as_time(_number(message.properties.get("dead-letter.time"))),
            message.properties.get("dead-letter.delivery-count"),
            message.message_key,
            message.properties.get("dead-letter.reason"),
        )
        for message in found
    ]
    print_table(("message id", "time", "deliveries", "key", "reason"), rows)


@command.command("show")
@click.argument("queue")
@click.argument("group")
@click.argument("message_id")
@store_options
@click.pass_context
def show(ctx: click.Context, queue: str, group: str, message_id: str, url: str | None, as_json: bool) -> None:
    """Show one dead letter of GROUP of QUEUE with its properties and body; exit code 3 when it is not there."""
    with connected(url) as access_point:
        found = access_point.resource_manager().dead_letters(queue, group)
        message = next((each for each in found if each.message_id == message_id), None)
    if message is None:
        click.echo(f"no dead letter of {group} of {queue} has the id {message_id}", err=True)
        ctx.exit(NOTHING)
    if as_json:
        print_json(to_line(message))
        return
    fields: dict[str, object] = {"message id": message.message_id, "key": message.message_key}
    fields |= dict(message.properties.items())
    print_fields({**fields, "body": as_text(message.data)})


@command.command("redrive")
@click.argument("queue")
@click.argument("group")
@click.option("--to", metavar="QUEUE", help="Send them to this queue instead of the one each came from.")
@click.option("--where", metavar="SQL", callback=quoted, help="Only those that match: \"price > 5 AND color = 'red'\".")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many messages a second.")
@click.option("--limit", "--max", type=click.IntRange(min=1), help="At most so many messages, the oldest ones.")
@click.option(
    "--max-redrives",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="What was sent back so often before stays.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@store_options
def redrive(
    queue: str,
    group: str,
    to: str | None,
    where: str | None,
    rate: float | None,
    limit: int | None,
    max_redrives: int,
    dry_run: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Send the dead letters of GROUP of QUEUE back to the queue they came from.

    They keep their message id, key and body, and lose the properties that said why they were dead; the property
    dead-letter.redrives counts how often they were sent back. Each is sent and taken from the dead letters in one step:
    a crash loses none and doubles none. One that cannot go back stays where it is.
    """
    chosen = choice(where)
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        if dry_run:
            found = manager.dead_letters(queue, group)
            matched = sum(map(chosen, found))
            count, there, stay = matched if limit is None else min(matched, limit), len(found), []
        else:
            with counting("sent back") as advance:
                report = manager.redrive(
                    queue,
                    group,
                    to=to,
                    where=chosen,
                    rate=rate,
                    limit=limit,
                    max_redrives=max_redrives,
                    progress=advance,
                )
            count, there, stay = report.redriven, report.found, report.refused
        name = manager.describe_group(queue, group).dead_letter_queue
    if as_json:
        print_json({"queue": name, "redriven": 0 if dry_run else count, "found": there, "refused": stay})
        return
    print(f"{count:,} of {there:,} dead letters {'would be' if dry_run else 'were'} sent back")
    for each in stay:
        click.echo(f"offset {each.offset} stays: {each.reason}", err=True)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
