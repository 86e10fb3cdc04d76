"""`oms run`."""

from __future__ import annotations

import click

from openmessaging.cli.options import address


@click.command("run")
@click.argument("target", metavar="MODULE:APP")
@click.option("--reload", is_flag=True, help="Start anew when a Python file below this directory changes.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; 1 on a store in memory."
)
@click.option("--health", callback=address, metavar="[HOST:]PORT", help="Answer /health/live, /health/ready, /docs.")
@click.option("--once", is_flag=True, help="End when what is due has been worked off.")
@click.option("--quiet", is_flag=True, help="Log warnings only.")
def command(target: str, reload: bool, workers: int, health: tuple[str, int] | None, once: bool, quiet: bool) -> int:
    """Run an app until SIGTERM or Ctrl-C; then what is at work finishes, and the rest goes back.

    With --once it also ends when its listeners have nothing more to do now, for jobs that are started by the clock.

    Every worker is a process of its own in the same consumer groups; a store in a directory is shared by them. A store
    in memory belongs to one process: there --workers must be 1, and `concurrency` of the listeners is what to raise.
    """
    from openmessaging.app.loading import load
    from openmessaging.model.access_point import parse

    if workers > 1 and parse(load(target).url).driver == "memory":
        raise click.UsageError(
            "a store in memory is held by one process, so --workers is 1 there; raise `concurrency` of the listeners"
        )
    if not reload and workers == 1:
        _run(target, health, once, quiet)
        return 0
    if once:
        raise click.UsageError("--once is for one process that is not started anew: leave out --reload and --workers")
    if workers > 1 and health is not None:
        raise click.UsageError("--health answers for one process; with --workers mount app.asgi() in a server")
    return _supervise(target, reload, workers, health, quiet)


def _run(target: str, health: tuple[str, int] | None, once: bool, quiet: bool) -> None:
    import asyncio
    import logging

    from openmessaging.app.asgi import served
    from openmessaging.app.loading import load

    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    app = load(target)

    async def main() -> None:
        if health is None:
            await app.run(once=once)
        else:
            async with served(app, *health) as port:
                logging.getLogger("openmessaging.app").info("health on http://%s:%d/health/ready", health[0], port)
                await app.run(once=once)

    asyncio.run(main())


def _supervise(target: str, reload: bool, workers: int, health: tuple[str, int] | None, quiet: bool) -> int:
    import sys
    from pathlib import Path

    from openmessaging.app.supervisor import Supervisor

    command = [sys.executable, "-m", "openmessaging.cli", "run", target]
    command += ["--quiet"] if quiet else []
    command += ["--health", f"{health[0]}:{health[1]}"] if health is not None else []

    def say(text: str) -> None:
        click.echo(f"oms run: {text}", err=True)

    return Supervisor(command, workers, Path.cwd() if reload else None, say).run()
