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
from openmessaging.cli.options import connected, position, quoted, store_options
from openmessaging.cli.output import as_text, print_json
from openmessaging.runtime.choice import choice

AT_ONCE = 500
PEEK = 10
"""Messages of a group that are looked at unless --max says how many."""


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
@click.option("--from", "start", metavar="POSITION", help="With --peek: begin there, as `oms group seek` takes it.")
@click.option("--until", metavar="POSITION", help="With --peek: stop before that position.")
@click.option("--key", help="With --peek: only messages of this key.")
@click.option(
    "--filter",
    "sql",
    metavar="SQL",
    callback=quoted,
    help="Only messages that match: \"color = 'red' AND weight > 5\".",
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
    start: str | None,
    until: str | None,
    key: str | None,
    sql: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Receive messages from a queue, or look at them.

    Prints their bodies, a line each (bytes that are not text as hex), or all of them with --json.

    With --group, messages that no member of the group has acknowledged; each is acknowledged once it is printed. With
    --peek, all messages that are stored, from the oldest on, or those that --from, --until and --key choose; with both,
    the next messages of the group, which stay where they are. A --filter belongs to the group from its making on.

    Ends after --max messages or --timeout seconds without one; exit code 3 when none came.

    \b
    oms receive orders --group billing --max 10
    oms receive orders --group audit --follow --json
    oms receive orders --group red --filter "color = 'red'"
    oms receive orders --peek --from 2026-03-01T08:30 --key alice
    """
    if ack and not group:
        raise click.UsageError("Give --group to receive, or --peek to look.")
    chosen = {"start": start, "until": until, "key": key}
    if any(chosen.values()) and (ack or group or follow):
        raise click.UsageError("--from, --until and --key go with --peek, without --group and --follow.")
    if group and not ack and follow:
        raise click.UsageError("What is next for a group is looked at once: leave out --follow.")
    if group and not ack and sql:
        raise click.UsageError("What is next for a group is chosen by the group's own filter: leave out --filter.")
    with connected(url) as access_point:
        wait = None if follow else timeout if timeout is not None else float(ack)
        source: Iterator[Sequence[oms.Message]]
        if ack:
            source = _receive(access_point, queue, str(group), maximum, wait, sql)
        elif group:
            source = iter([access_point.resource_manager().peek(queue, group, maximum or PEEK)])
        elif any(chosen.values()):
            source = _chosen(access_point, queue, start or "earliest", until or "latest", key)
        else:
            source = browse(access_point, queue, wait)
        if sql and not ack:
            source = _matching(source, choice(sql))
        count = _print(source, maximum, as_json)
    if not count:
        ctx.exit(NOTHING)


def _receive(
    access_point: oms.AccessPoint, queue: str, group: str, maximum: int | None, wait: float | None, sql: str | None
) -> Iterator[Sequence[oms.ReceivedMessage]]:
    """Messages, acknowledged when the next are asked for: after they were printed."""
    access_point.resource_manager().describe_queue(queue)
    left = sys.maxsize if maximum is None else maximum
    with access_point.create_pull_consumer(queue, group, prefetch=1, filter=sql) as consumer:
        while left and (messages := consumer.batch_receive(min(left, AT_ONCE), timeout=wait)):
            yield messages
            consumer.ack(messages)
            left -= len(messages)


def _chosen(
    access_point: oms.AccessPoint, queue: str, start: str, until: str, key: str | None
) -> Iterator[Sequence[oms.Message]]:
    """Messages between two positions, one by one."""
    manager = access_point.resource_manager()
    for message in manager.browse(queue, position(start), position(until), key=key):
        yield [message]


def _matching(
    source: Iterator[Sequence[oms.Message]], chosen: Callable[[oms.Message], bool]
) -> Iterator[Sequence[oms.Message]]:
    """Only the messages that match."""
    for messages in source:
        if found := [message for message in messages if chosen(message)]:
            yield found


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
