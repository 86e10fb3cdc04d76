"""`oms backup`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from openmessaging.cli.options import connected, store_options
from openmessaging.cli.output import print_fields, print_json


@click.command("backup")
@click.argument("target")
@click.option("--store", metavar="DIR", help="The store in that directory, in place of --url.")
@store_options
def command(target: str, store: str | None, url: str | None, as_json: bool) -> None:
    """Back up a store into a directory, while it is served and used.

    What was acknowledged before the command began is in it. Given again with the same TARGET, it copies what is new;
    each moment since the first backup can then be restored. See `oms restore`.
    """
    from openmessaging.model.backup import BackupPlan
    from openmessaging.model.spi import Capability
    from openmessaging.runtime.required import require
    from openmessaging.storage.backup import check_target, failed, write_backup
    from openmessaging.storage.lock import StoreLock
    from openmessaging.system import SystemDisk

    disk = SystemDisk()
    if store and click.get_current_context().get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --store or --url, not both")
    with connected(f"oms:embedded://{store}" if store else url) as access_point, bar("backed up") as show:
        driver = access_point.get_driver()
        require(driver.capabilities, Capability.BACKUP)
        try:
            check_target(disk, target)
            lock = StoreLock.acquire(target)
            try:
                plan: BackupPlan = driver.begin_backup()
                written = write_backup(disk, target, plan, lambda *place: driver.read_backup(plan.id, *place), show)
                driver.end_backup(plan.id)
            finally:
                lock.release()
        except OSError as failure:
            raise failed(f"cannot back up into {target}", failure) from failure
    if as_json:
        fields = {name: getattr(written, name) for name in written.__struct_fields__}
        print_json({"target": os.path.abspath(target), **fields})
        return
    print_fields(
        {
            "backup": target,
            "up to entry": written.index,
            "made at": when(written.time_ms),
            "restores to": "any entry" if written.first_index < 0 else f"any entry from {written.first_index} on",
            "copied bytes": f"{written.copied_bytes:,}",
            "bytes of the log": f"{written.size_bytes:,}",
            "digest": written.digest,
        }
    )


def when(time_ms: int) -> str:
    """A time as `--to` takes it."""
    from datetime import datetime

    return datetime.fromtimestamp(time_ms / 1000).astimezone().isoformat(timespec="milliseconds")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; call what it gives with the bytes done, of how many."""
    if not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005 - nothing to show
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, total=max(total, 1), completed=done)
