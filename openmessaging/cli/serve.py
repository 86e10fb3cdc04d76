"""`oms serve`."""

from __future__ import annotations

from typing import Any

import click

from openmessaging.cli.options import address


@click.command("serve")
@click.option("--store", metavar="DIR", help="The store's directory; without it, one among the user's data.")
@click.option(
    "--listen",
    callback=address,
    default="127.0.0.1:7667",
    show_default=True,
    metavar="[HOST:]PORT",
    help="Where the native protocol answers; port 0 takes a free one.",
)
@click.option("--unix", metavar="PATH", help="Answer on a Unix socket of this user as well.")
@click.option(
    "--flush",
    type=click.Choice(["always", "interval", "never"]),
    default="always",
    show_default=True,
    help="When a message is on disk: before its send returns, each second, or when the system likes.",
)
@click.option("--json", "as_json", is_flag=True, help='Print {"url": …} to standard output once it answers.')
def command(store: str | None, listen: tuple[str, int], unix: str | None, flush: str, as_json: bool) -> int:
    """Serve a store to other processes and machines, until SIGTERM or Ctrl-C.

    Programs reach it with oms:oms://HOST:PORT/REGION in place of oms:embedded://DIR. There are no users yet: who
    reaches the port may do everything, so only a loopback address is taken.
    """
    import asyncio
    import ipaddress

    if not (listen[0] == "localhost" or ipaddress.ip_address(listen[0]).is_loopback):
        raise click.UsageError("--listen takes a loopback address only: there is no access control yet")
    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(store, listen, unix, flush, as_json))
    return 0


async def _serve(store: str | None, listen: tuple[str, int], unix: str | None, flush: str, as_json: bool) -> None:
    import json
    import time

    from openmessaging.app.signals import StopSignals
    from openmessaging.cli.options import default_url
    from openmessaging.drivers.embedded import driver
    from openmessaging.model.access_point import parse
    from openmessaging.server import Server

    url = f"oms:embedded://{store}" if store else default_url()
    served = await driver.open(parse(url), {"flush": flush})
    server = Server(served, lambda: time.time_ns() // 1_000_000)
    with StopSignals() as signals:
        try:
            port = await server.listen(*listen)
            if unix:
                await server.listen_unix(unix)
            host = f"[{listen[0]}]" if ":" in listen[0] else listen[0]
            at = f"oms:oms://{host}:{port}/local"
            if as_json:
                click.echo(json.dumps({"url": at, "store": url}))
            click.echo(f"oms serve: {url} at {at}", err=True)
            await signals.came.wait()
            click.echo("oms serve: stopping", err=True)
        finally:
            await server.close()
            await served.close()
