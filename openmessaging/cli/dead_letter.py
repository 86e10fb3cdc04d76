"""`oms dead-letter`."""

from __future__ import annotations

import click

from openmessaging.cli.failure import NOTHING
from openmessaging.cli.letters import Redrive, letters
from openmessaging.cli.line import to_line
from openmessaging.cli.options import connected, store_options
from openmessaging.cli.output import as_text, as_time, counting, print_fields, print_json, print_table


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
        found = list(letters(access_point, queue, group))
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
        message = next((each for each in letters(access_point, queue, group) if each.message_id == message_id), None)
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
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many messages a second.")
@click.option("--max", "maximum", type=click.IntRange(min=1), help="At most so many messages, the oldest ones.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@store_options
def redrive(
    queue: str,
    group: str,
    to: str | None,
    rate: float | None,
    maximum: int | None,
    dry_run: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Send the dead letters of GROUP of QUEUE back to the queue they came from.

    They keep their message id, key and body, and lose the properties that said why they were dead. Each is sent and
    taken from the dead letters in one step: a crash loses none and doubles none.
    """
    with connected(url) as access_point:
        job = Redrive(access_point, queue, group, to)
        count = job.waiting if maximum is None else min(job.waiting, maximum)
        if not dry_run:
            with counting("sent back") as advance:
                count = job.run(count, rate, advance)
    if as_json:
        print_json({"queue": job.dead_letter_queue, "redriven": 0 if dry_run else count, "found": job.waiting})
    else:
        print(f"{count:,} of {job.waiting:,} dead letters {'would be' if dry_run else 'were'} sent back")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
