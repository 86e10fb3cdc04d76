"""`oms schedule`."""

from __future__ import annotations

from datetime import datetime

import click

from openmessaging.cli.options import confirm, connected, duration, moment, store_options, yes_option
from openmessaging.cli.output import as_time, print_fields, print_json, print_table
from openmessaging.model.schedule import ScheduleInfo


@click.group("schedule")
def command() -> None:
    """Let messages be sent again and again, at intervals or by cron.

    They are sent while a program has the store open. What was missed meanwhile is sent late, at the next opening.
    """


@command.command("create")
@click.argument("name")
@click.argument("queue")
@click.argument("body", default="")
@click.option("--every", type=duration, metavar="TIME", help="From one message to the next, as 90s, 10m, 1h30m.")
@click.option("--growth", type=float, metavar="FACTOR", help="With --every: each step is so many times the one before.")
@click.option("--cron", metavar="FIELDS", help="Minute, hour, day of month, month, day of week: '30 8 * * MON-FRI'.")
@click.option("--zone", default="UTC", show_default=True, help="Whose clock --cron means, as Europe/Berlin.")
@click.option("--start", type=moment, metavar="WHEN", help="The first message of --every; with --cron, none is before.")
@click.option("--end", type=moment, metavar="WHEN", help="No message is sent for a time after it.")
@click.option("--count", type=click.IntRange(min=1), help="Messages after which it is over.")
@click.option(
    "--catch-up", default=1_000, show_default=True, type=click.IntRange(1, 10_000),
    help="Of messages that were missed, the newest so many are sent late.",
)  # fmt: skip
@click.option("--key", help="Message key: messages of one key keep their order.")
@click.option("--priority", type=click.IntRange(1, 10), help="1 lowest to 10 highest; 5 when left out.")
@click.option("--replace", is_flag=True, help="Change the schedule of this name, if there is one.")
@store_options
def create(
    name: str,
    queue: str,
    body: str,
    every: float | None,
    growth: float | None,
    cron: str | None,
    zone: str,
    start: datetime | None,
    end: datetime | None,
    count: int | None,
    catch_up: int,
    key: str | None,
    priority: int | None,
    replace: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Let a message with BODY be sent to QUEUE again and again. NAME is what the schedule is called from now on.

    \b
    oms schedule create heartbeat beats ping --every 30s
    oms schedule create report reports --cron "0 6 * * MON" --zone Europe/Berlin
    """
    if (every is None) == (cron is None):
        raise click.UsageError("Give --every or --cron.")
    with connected(url, create=True) as access_point:
        info = access_point.resource_manager().create_schedule(
            name, queue, body.encode(errors="surrogateescape"), cron=cron, every=every, growth=growth,
            zone=zone, start=start, end=end, count=count, catch_up=catch_up, replace=replace,
            message_key=key, priority=priority,
        )  # fmt: skip
    _say(info, f"{info.name} sends to {info.queue} {_rule(info)}, next at {as_time(info.next_ms)}", as_json)


@command.command("list")
@store_options
def list_schedules(url: str | None, as_json: bool) -> None:
    """List all schedules."""
    with connected(url) as access_point:
        found = access_point.resource_manager().list_schedules()
    if as_json:
        print_json(found)
    else:
        rows = [(info.name, info.queue, _rule(info), _state(info), info.sent) for info in found]
        print_table(("schedule", "queue", "when", "next", "sent"), rows)


@command.command("show")
@click.argument("name")
@store_options
def show(name: str, url: str | None, as_json: bool) -> None:
    """Show when the schedule NAME sends next, and what it has sent."""
    with connected(url) as access_point:
        info = access_point.resource_manager().describe_schedule(name)
    if as_json:
        print_json(info)
        return
    fields: dict[str, object] = {
        "schedule": info.name,
        "queue": info.queue,
        "when": _rule(info),
        "next": _state(info),
        "sent": info.sent if info.count is None else f"{info.sent:,} of {info.count:,}",
        "end": as_time(info.end_ms) or "none",
        "catch up": info.catch_up,
        "left out": f"until {as_time(info.left_out_ms)}" if info.left_out_ms else "",
        "problem": info.problem,
    }
    print_fields({label: value for label, value in fields.items() if value not in ("", None)})


@command.command("pause")
@click.argument("name")
@store_options
def pause(name: str, url: str | None, as_json: bool) -> None:
    """Let the schedule NAME send nothing until it is resumed."""
    with connected(url) as access_point:
        info = access_point.resource_manager().pause_schedule(name)
    _say(info, f"paused {info.name}", as_json)


@command.command("resume")
@click.argument("name")
@store_options
def resume(name: str, url: str | None, as_json: bool) -> None:
    """Let the schedule NAME go on; what it would have sent meanwhile is left out."""
    with connected(url) as access_point:
        info = access_point.resource_manager().resume_schedule(name)
    _say(info, f"{info.name} goes on, {_state(info)}", as_json)


@command.command("delete")
@click.argument("name")
@yes_option
@store_options
def delete(name: str, yes: bool, url: str | None, as_json: bool) -> None:
    """Delete the schedule NAME; what it sent stays."""
    with connected(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.describe_schedule(name)
        confirm(f"Delete the schedule {info.name} ({_rule(info)}, {info.sent:,} messages sent)?", yes)
        manager.delete_schedule(name)
    if as_json:
        print_json({"schedule": info.name, "deleted": True})
    else:
        print(f"deleted the schedule {info.name}")


def _say(info: ScheduleInfo, text: str, as_json: bool) -> None:
    if as_json:
        print_json(info)
    else:
        print(text)


def _rule(info: ScheduleInfo) -> str:
    if info.every is not None:
        grows = f", each step {info.growth:g} times the last" if info.growth else ""
        return f"every {info.every:g} s{grows}"
    return f"at {info.cron} ({info.zone})"


def _state(info: ScheduleInfo) -> str:
    if info.paused:
        return "paused"
    return as_time(info.next_ms) if info.next_ms else "over"
