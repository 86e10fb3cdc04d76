"""`oms serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openmessaging.cli.options import address

if TYPE_CHECKING:
    from openmessaging.server.config import Config


@click.command("serve")
@click.option("--config", "file", metavar="FILE", envvar="OMS_SERVE_CONFIG", help="A TOML file with all options.")
@click.option("--store", metavar="DIR", help="The store's directory; without it, one among the user's data.")
@click.option(
    "--listen",
    callback=address,
    metavar="[HOST:]PORT",
    help="Where the native protocol answers; port 0 takes a free one.  [default: 127.0.0.1:7667]",
)
@click.option("--http", callback=address, metavar="[HOST:]PORT", help="Answer HTTP as well.")
@click.option("--unix", metavar="PATH", help="Answer on a Unix socket of this user as well.")
@click.option(
    "--flush",
    type=click.Choice(["always", "interval", "never"]),
    help="When a message is on disk: before its send returns (the default), each second, or when the system likes.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Of the lines on standard error.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="The least that is logged.")
@click.option("--check", is_flag=True, help="Only check the configuration.")
@click.option("--json", "as_json", is_flag=True, help='Print {"url": …} to standard output once it answers.')
def command(file: str | None, check: bool, as_json: bool, **given: Any) -> int:
    """Serve a store to other processes and machines, until SIGTERM or Ctrl-C.

    Programs reach it with oms:oms://HOST:PORT/REGION in place of oms:embedded://DIR. Without users, whoever is on this
    machine may do everything, and nobody else is let in; `oms user add` makes the first. Other machines need users and
    TLS. SIGHUP reads users and certificates again.

    Options given here win over variables OMS_SERVE_SECTION_KEY, and those over the file.
    """
    import asyncio

    config = configured(file, **given)
    if check:
        from openmessaging.server.node import check as check_config

        check_config(config)
        click.echo(f"oms serve: {file or 'the configuration'} is valid", err=True)
        return 0
    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(config, as_json))
    return 0


def configured(
    file: str | None,
    store: str | None,
    listen: tuple[str, int] | None,
    http: tuple[str, int] | None,
    unix: str | None,
    flush: str | None,
    log_format: str | None = None,
    log_level: str | None = None,
) -> Config:
    """What file, environment and options say together."""
    import os
    from pathlib import Path

    from msgspec.structs import replace

    from openmessaging.cli.options import default_url
    from openmessaging.model.errors import error
    from openmessaging.server.config import load

    try:
        text = Path(file).read_text() if file else ""
    except (OSError, UnicodeDecodeError) as cause:
        raise error(1418, f"{file} cannot be read: {cause}", field="--config") from cause
    environment = {name: value for name, value in os.environ.items() if name != "OMS_SERVE_CONFIG"}
    config = load(text, file or "", environment)
    stored: dict[str, Any] = {"path": store} if store else {}
    stored |= {"flush": flush} if flush else {}
    if not (store or config.store.path):
        stored["path"] = default_url()
    listening: dict[str, Any] = {"tcp": _joined(listen)} if listen else {}
    listening |= {"unix": unix} if unix else {}
    logged = {"format": log_format or config.log.format, "level": log_level or config.log.level}
    return replace(
        config,
        log=replace(config.log, **logged),
        store=replace(config.store, **stored),
        listen=replace(config.listen, **listening),
        http=replace(config.http, listen=_joined(http)) if http else config.http,
    )


def _joined(where: tuple[str, int]) -> str:
    host, port = where
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _serve(config: Config, as_json: bool) -> None:
    import asyncio
    import contextlib
    import json
    import logging
    import signal

    from openmessaging.app.signals import StopSignals
    from openmessaging.server.logs import configure
    from openmessaging.server.node import Node

    configure(config.log)

    def say(text: str) -> None:
        if config.log.format == "json":
            logging.getLogger("openmessaging.server").info("%s", text)
        else:
            click.echo(f"oms serve: {text}", err=True)

    node = Node(config)
    with StopSignals() as signals:
        await node.start()
        with contextlib.suppress(NotImplementedError, AttributeError):  # not on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, node.security.reload)
        try:
            if as_json:
                click.echo(json.dumps({"url": node.url, "http": node.http_url, "store": node.store_url}))
            at = " and ".join(filter(None, (node.http_url, config.listen.unix, node.url)))
            say(f"{node.store_url} at {at}")
            await signals.came.wait()
            say("stopping")
            await node.drain()
        finally:
            await node.close()
