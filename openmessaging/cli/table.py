"""`oms queue table` and `oms queue get`."""

from __future__ import annotations

from collections.abc import Iterable

import click

from openmessaging import blocking as oms
from openmessaging.cli.failure import NOTHING
from openmessaging.cli.line import to_line
from openmessaging.cli.options import connected, store_options
from openmessaging.cli.output import as_text, harmless, print_json


@click.command("table")
@click.argument("queue")
@click.option("--follow", is_flag=True, help="Go on with what changes until interrupted.")
@store_options
def table(queue: str, follow: bool, url: str | None, as_json: bool) -> None:
    """Print QUEUE as a table: of each key the newest message, unless that is empty.

    A row is key, a tab, body; or the message with --json.
    """
    with connected(url) as access_point:
        found = access_point.table(queue)
        if not follow:
            _print(found, as_json)
            return
        live = found.follow()
        _print(live.messages().values(), as_json)
        while True:
            _print(live.changes(), as_json)


@click.command("get")
@click.argument("queue")
@click.argument("key")
@store_options
@click.pass_context
def get(ctx: click.Context, queue: str, key: str, url: str | None, as_json: bool) -> None:
    """Print the body of the newest message of KEY in QUEUE; exit code 3 when there is none or it is empty."""
    with connected(url) as access_point:
        message = access_point.table(queue).get(key)
    if message is None:
        click.echo(f"{queue} has nothing for the key {key}", err=True)
        ctx.exit(NOTHING)
    if as_json:
        print_json(to_line(message))
    else:
        print(as_text(message.data))


def _print(messages: Iterable[oms.Message], as_json: bool) -> None:
    for message in messages:
        if as_json:
            print_json(to_line(message))
        else:
            print(f"{harmless(message.message_key or '')}\t{as_text(message.data)}", flush=True)
