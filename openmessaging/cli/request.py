"""`oms request`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from openmessaging import blocking as oms
from openmessaging.cli.line import to_line
from openmessaging.cli.options import as_property, connected, duration, store_options
from openmessaging.cli.output import as_text, print_json


@click.command("request")
@click.argument("queue")
@click.argument("body", default="")
@click.option("--timeout", type=duration, default="5s", show_default=True, metavar="TIME", help="Longest wait.")
@click.option("--all", "everybody", is_flag=True, help="One answer of each group of services.")
@click.option("--stream", is_flag=True, help="A stream of answers; --timeout is for each of them.")
@click.option("--idempotent", is_flag=True, help="It may be handled again when a service dies of it.")
@click.option("--key", help="Message key.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property, text; may be repeated."
)
@store_options
def command(
    queue: str,
    body: str,
    timeout: float,
    everybody: bool,
    stream: bool,
    idempotent: bool,
    key: str | None,
    properties: tuple[str, ...],
    url: str | None,
    as_json: bool,
) -> None:
    """Ask the services of a queue, and print the answer.

    An error that a service answers is an error here, with its code. With --all, errors of services are told after the
    answers, and the exit code is 1 when one failed or did not answer in time.

    \b
    oms request prices '{"item": "tea"}'
    oms request health --all --timeout 2s --json
    oms request countdown 10 --stream
    """
    if everybody and stream:
        raise click.UsageError("Give --all or --stream, not both.")
    with connected(url) as access_point, access_point.create_producer() as producer:
        own: dict[str, Any] = dict(map(as_property, properties))
        message = producer.create_message(queue, body.encode(errors="surrogateescape"), message_key=key, properties=own)
        if everybody:
            replies = producer.request_all(message, timeout, idempotent=idempotent)
            _print(replies.messages, as_json)
            for failure in replies.errors:
                print(f"a service answered: error {failure.code} {failure.reason}", file=sys.stderr)
            if not replies.complete:
                print(f"not all answered within {timeout:g} s", file=sys.stderr)
            if replies.errors or not replies.complete:
                sys.exit(1)
        elif stream:
            with producer.request_stream(message, timeout, idempotent=idempotent) as answers:
                _print(answers, as_json)
        else:
            _print([producer.request(message, timeout, idempotent=idempotent)], as_json)


def _print(answers: Iterable[oms.Message], as_json: bool) -> None:
    for answer in answers:
        if as_json:
            line = to_line(answer)
            print_json(
                {name: line[name] for name in ("key", "properties", "headers", "body", "body_base64") if name in line}
            )
        else:
            print(as_text(answer.data), flush=True)
