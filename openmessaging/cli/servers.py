"""`oms servers`: real messaging systems on this machine, for trials."""

from __future__ import annotations

import click

from openmessaging.cli.output import print_json, print_table

NAMES = ("artemis", "kafka", "mosquitto", "nats", "pulsar", "rabbitmq", "redis", "rocketmq")
"""Those of `openmessaging.testing.servers`, which is only imported when one is asked for."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("servers")
def command() -> None:
    """Start real messaging systems on this machine, and end them.

    They are installed as Debian's packages, come with Python's, or are fetched with Maven into the user's cache at the
    first time. They serve this machine alone, at free ports, and sync what they acknowledge.
    """


@command.command("list")
@json_option
def list_servers(as_json: bool) -> None:
    """List the systems: what could be had here, what runs, and its memory."""
    from openmessaging.testing.servers import SYSTEMS, Missing
    from openmessaging.testing.servers.background import running

    runs = running()
    rows = []
    for name, system in SYSTEMS.items():
        missing = None
        try:
            system.require()
        except Missing as reason:
            missing = str(reason)
        server = runs.get(name)
        rows.append(
            {
                "name": name,
                "driver": system.driver or name,
                "missing": missing,
                "url": server and server.url,
                "processes": server.alive if server else [],
                "memory_bytes": server.memory_bytes if server else 0,
            }
        )
    if as_json:
        print_json(rows)
        return
    table = [
        (row["name"], row["missing"] or row["url"] or "can be started", _mega(row["memory_bytes"])) for row in rows
    ]
    print_table(("system", "state", "MB"), table)


@command.command("up")
@click.argument("names", nargs=-1, required=True, type=click.Choice(NAMES), metavar="NAME...")
@json_option
def start(names: tuple[str, ...], as_json: bool) -> None:
    """Start systems in the background, wait until they answer, and print their URLs.

    One that runs already is left as it is.
    """
    from openmessaging.testing.servers import Missing
    from openmessaging.testing.servers.background import up

    for name in names:
        try:
            server = up(name)
        except (Missing, TimeoutError) as reason:
            raise click.ClickException(f"{name}: {reason}") from None
        if as_json:
            print_json({"name": name, "url": server.url, "processes": server.alive})
        else:
            print(server.url, flush=True)


@command.command("down")
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME...]")
@json_option
def stop(names: tuple[str, ...], as_json: bool) -> None:
    """End systems that `oms servers up` has started, all of them if none is named, and delete what they kept."""
    from openmessaging.testing.servers.background import down, running

    runs = running()
    for name in names or runs:
        server = runs.get(name)
        if server is not None:
            down(server)
        if as_json:
            print_json({"name": name, "ended": server is not None})
        else:
            print(f"ended {name}" if server else f"{name} does not run")


def _mega(size: object) -> object:
    return round(size / 1e6) if isinstance(size, int) and size else None
