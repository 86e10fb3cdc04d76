"""`oms receive`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from openmessaging import blocking as oms
from openmessaging.cli.browse import browse
from openmessaging.cli.failure import NOTHING
from openmessaging.cli.line import to_line
from openmessaging.cli.options import connected, store_options
from openmessaging.cli.output import as_text, print_json

AT_ONCE = 500


@click.command("receive")
@click.argument("queue")
@click.option("--group", help="Consumer group to receive for, made when missing.")
@click.option("--max", "maximum", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option("--follow", is_flag=True, help="Go on waiting for messages until interrupted.")
@click.option("--ack/--peek", default=True, help="Acknowledge what was printed; or only look, leaving groups alone.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=86400),
    help="Stop after so many seconds without a message.  [default: 1; with --peek 0]",
)
@store_options
@click.pass_context
def command(
    ctx: click.Context,
    queue: str,
    group: str | None,
    maximum: int | None,
    follow: bool,
    ack: bool,
    timeout: float | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Receive messages from a queue, or look at them.

    Prints their bodies, a line each (bytes that are not text as hex), or all of them with --json.

    With --group, messages that no member of the group has acknowledged; each is acknowledged once it is printed. With
    --peek, all messages that are stored, from the oldest on. Ends after --max messages or --timeout seconds without
    one; exit code 3 when none came.

    \b
    oms receive orders --group billing --max 10
    oms receive orders --group audit --follow --json
    oms receive orders --peek
    """
    if ack and not group:
        raise click.UsageError("Give --group to receive, or --peek to look.")
    if not ack and group:
        raise click.UsageError("--peek leaves groups alone: give --group or --peek, not both.")
    with connected(url) as access_point:
        wait = None if follow else timeout if timeout is not None else float(ack)
        source = _receive(access_point, queue, str(group), maximum, wait) if ack else browse(access_point, queue, wait)
        count = _print(source, maximum, as_json)
    if not count:
        ctx.exit(NOTHING)


def _receive(
    access_point: oms.AccessPoint, queue: str, group: str, maximum: int | None, wait: float | None
) -> Iterator[Sequence[oms.ReceivedMessage]]:
    """Messages, acknowledged when the next are asked for: after they were printed."""
    access_point.resource_manager().describe_queue(queue)
    left = sys.maxsize if maximum is None else maximum
    with access_point.create_pull_consumer(queue, group, prefetch=1) as consumer:
        while left and (messages := consumer.batch_receive(min(left, AT_ONCE), timeout=wait)):
            yield messages
            consumer.ack(messages)
            left -= len(messages)


def _print(source: Iterator[Sequence[oms.Message]], maximum: int | None, as_json: bool) -> int:
    """Print messages until there are no more, or enough; how many."""
    show: Callable[[Any], None] = _print_line if as_json else _print_body
    count = 0
    for messages in source:
        for message in messages[: None if maximum is None else maximum - count]:
            show(message)
        sys.stdout.flush()
        count += len(messages)
        if maximum is not None and count >= maximum:
            next(source, None)
            break
    return count


def _print_line(message: oms.Message) -> None:
    print_json(to_line(message))


def _print_body(message: oms.Message) -> None:
    sys.stdout.write(as_text(message.data) + "\n")
