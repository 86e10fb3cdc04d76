"""`oms route`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from openmessaging import blocking as oms
from openmessaging.cli.options import confirm, connected, position, store_options, yes_option
from openmessaging.cli.output import print_fields, print_json, print_table
from openmessaging.model.errors import error
from openmessaging.model.json_form import from_json
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.routing import Explanation, RouteInfo
from openmessaging.routing.text import show_operator


@click.group("route")
def command() -> None:
    """Create, list, show, explain and delete routes: from a queue through operators to queues."""


@command.command("create")
@click.argument("route")
@click.argument("source")
@click.argument("targets", nargs=-1, required=True)
@click.option("-o", "--operator", "operators", multiple=True, metavar="TEXT", help="An operator; may be repeated.")
@click.option(
    "--from", "start", default="latest", show_default=True, metavar="POSITION", help="Where in SOURCE it begins."
)
@click.option("--trace", is_flag=True, help="Note the way of each message in its property route.hops.")
@store_options
def create(
    route: str,
    source: str,
    targets: tuple[str, ...],
    operators: tuple[str, ...],
    start: str,
    trace: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Create ROUTE: each TARGET gets a duplicate of what SOURCE gets and the operators let pass.

    Queues that are missing are created. It works whenever a program has the store open. Operators, in their order:

    \b
      filter CONDITION                      only what matches goes on
      deduplicate [by key] within SECONDS   of the same id (or key), the first
      sample 10% [by key]                   a share, always the same messages
      set NAME = EXPRESSION; …              properties; header.messageKey sets the key
      call FUNCTION                         in a program with create_router

    \b
    oms route create audit orders audit
    oms route create big orders large -o "filter amount > 1000" -o "set region = 'EU'"
    """
    with connected(url, create=True) as access_point:
        manager = access_point.resource_manager()
        info = manager.create_routing(route, source, targets, operators, start=position(start), trace=trace)
    _show(info, as_json)


@command.command("list")
@store_options
def list_routes(url: str | None, as_json: bool) -> None:
    """List the routes of all namespaces."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        infos = [info for namespace in sorted(manager.list_namespaces()) for info in manager.list_routings(namespace)]
    if as_json:
        print_json(infos)
        return
    rows = [
        (
            info.route.name,
            info.route.source,
            ", ".join(info.route.targets),
            " | ".join(map(show_operator, info.route.operators)),
            info.lag,
        )
        for info in infos
    ]
    print_table(("route", "source", "targets", "operators", "lag"), rows)


@command.command("show")
@click.argument("route")
@store_options
def show(route: str, url: str | None, as_json: bool) -> None:
    """Show ROUTE: its operators, how far it is behind, and what it did."""
    with connected(url) as access_point:
        info = access_point.resource_manager().describe_routing(route)
    _show(info, as_json)


@command.command("delete")
@click.argument("route")
@yes_option
@store_options
def delete(route: str, yes: bool, url: str | None, as_json: bool) -> None:
    """Delete ROUTE; its queues stay, and what it has not routed yet is not routed."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.describe_routing(route)
        confirm(f"Delete {info.route.name}, with {info.lag:,} messages that it has not routed?", yes)
        manager.delete_routing(info.route.name)
    if as_json:
        print_json({"route": info.route.name, "deleted": True})
    else:
        print(f"deleted {info.route.name}")


@command.command("explain")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--queue", help="The queue; needed without FILE, and instead of the destination that FILE names.")
@click.option("--at", metavar="PARTITION:OFFSET", help="A message that lies in the queue.")
@click.option("--key", help="Its message key.")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property; may be repeated.")
@store_options
def explain(
    file: Any,
    queue: str | None,
    at: str | None,
    key: str | None,
    properties: tuple[str, ...],
    url: str | None,
    as_json: bool,
) -> None:
    """Say what would become of a message, operator by operator, without sending it.

    The message is that of FILE (JSON, as the specification writes it), one that lies in the queue, or made of --key and
    --property: a VALUE that is a number, true or false is one.

    \b
    oms route explain message.json
    oms route explain --queue orders --at 0:17
    oms route explain --queue orders --key ann --property amount=1200
    """
    with connected(url) as access_point:
        message = _message(access_point, file, queue, at, key, properties)
        found = access_point.resource_manager().explain_routing(queue or message.destination, message)
    if as_json:
        print_json(found)
        return
    for line in _lines(found, ""):
        print(line)
    if not found:
        print(f"no route reads {queue or message.destination}")


def _message(
    access_point: oms.AccessPoint, file: Any, queue: str | None, at: str | None, key: str | None, pairs: Sequence[str]
) -> oms.Message:
    if (file is not None) + (at is not None) + bool(key or pairs) > 1:
        raise click.UsageError("Give FILE, or --at, or --key and --property.")
    if file is not None:
        return from_json(file.read())
    if queue is None:
        raise click.UsageError("Give FILE, or --queue.")
    if at is None:
        properties: dict[str, PropertyValue] = dict(map(_property, pairs))
        return access_point.message_factory().create_message(queue, b"", message_key=key, properties=properties)
    number, _, offset = at.partition(":")
    if not (number.isdigit() and offset.isdigit()):
        raise click.UsageError("--at is written PARTITION:OFFSET, as 0:17.")
    with access_point.create_pull_consumer() as consumer:
        for message in consumer.receive_from(queue, int(number), int(offset), max_messages=1):
            if message.offset == int(offset):
                return message
    raise error(1404, f"no message lies in {queue} at {at}", next_step="See `oms queue describe`")


def _property(text: str) -> tuple[str, PropertyValue]:
    name, mark, value = text.partition("=")
    if not mark:
        raise click.UsageError(f"--property is written NAME=VALUE, not {text!r}.")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _lines(found: Sequence[Explanation], indent: str) -> Iterator[str]:
    for each in found:
        yield f"{indent}{each.source} -> {each.route}"
        for step in each.steps:
            detail = f"  ({step.detail})" if step.detail else ""
            yield f"{indent}  {step.verdict:<8} {step.operator}{detail}"
        outcome = f"goes to {', '.join(each.targets)}" if each.targets else "goes nowhere"
        yield f"{indent}  {outcome}"
        yield from _lines(each.then, indent + "    ")


def _show(info: RouteInfo, as_json: bool) -> None:
    if as_json:
        print_json(info)
        return
    route = info.route
    fields: dict[str, object] = {"route": route.name, "source": route.source, "targets": ", ".join(route.targets)}
    fields |= {f"operator {number}": show_operator(each) for number, each in enumerate(route.operators, 1)}
    fields |= {"group": info.group, "lag": info.lag}
    if not route.functions:
        fields |= {"routed": info.routed, "dropped": info.dropped, "dead letters": info.dead}
    if info.trouble:
        fields["trouble"] = info.trouble
    print_fields(fields)
