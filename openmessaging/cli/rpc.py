"""`oms rpc`."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import click
import msgspec

from openmessaging.cli.options import connected, duration, store_options
from openmessaging.cli.output import print_json, print_table
from openmessaging.model.errors import OMSRuntimeException


@click.group("rpc")
def command() -> None:
    """List the services that answer requests, and ask them how they are."""


@command.command("list")
@click.argument("queue", required=False)
@store_options
def list_(queue: str | None, url: str | None, as_json: bool) -> None:
    """List the services at work, of QUEUE or all."""
    with connected(url) as access_point, access_point.create_producer() as producer:
        services = sorted(producer.services(queue), key=msgspec.structs.astuple)
    if as_json:
        print_json([msgspec.structs.asdict(service) for service in services])
    else:
        print_table(("queue", "group", "mailbox"), [msgspec.structs.astuple(service) for service in services])


@command.command("ping")
@click.argument("queue", required=False)
@click.option("--timeout", type=duration, default="2s", show_default=True, metavar="TIME", help="For each service.")
@store_options
@click.pass_context
def ping(ctx: click.Context, queue: str | None, timeout: float, url: str | None, as_json: bool) -> None:
    """Ask the services of QUEUE, or all, for what they have done so far, and measure how long that takes.

    Requests handled, errors among them, seconds in handlers; then requests that were not handled: expired, cancelled,
    of requesters that are gone, and given up because another service had them. Exits with 1 when one did not answer.
    """
    found: list[dict[str, Any]] = []
    with connected(url) as access_point, access_point.create_producer() as producer:
        for service in sorted(producer.services(queue), key=msgspec.structs.astuple):
            each: dict[str, Any] = {"queue": service.queue, "group": service.group, "mailbox": service.mailbox}
            start = perf_counter()
            try:
                statistics = msgspec.json.decode(producer.ping(service, timeout).data)
            except OMSRuntimeException as failure:
                each["error"] = str(failure)
            else:
                each |= {"ms": round((perf_counter() - start) * 1000, 2), **statistics}
            found.append(each)
    if as_json:
        print_json(found)
    else:
        columns = (
            "queue",
            "group",
            "ms",
            "requests",
            "errors",
            "seconds",
            "expired",
            "cancelled",
            "orphaned",
            "interrupted",
        )
        print_table(columns, [[each.get(column, "-") for column in columns] for each in found])
    if any("error" in each for each in found):
        ctx.exit(1)
