"""`oms restore`."""

from __future__ import annotations

import os
import shutil

import click

from openmessaging.cli.backup import bar, when
from openmessaging.cli.options import json_option, moment
from openmessaging.cli.output import print_fields, print_json
from openmessaging.model.errors import error


@click.command("restore")
@click.argument("backup")
@click.option("--store", required=True, metavar="DIR", help="The store's directory: new, or empty.")
@click.option("--to", metavar="TIME|INDEX", help="That moment, or the moment after that entry; without it, all.")
@json_option
def command(backup: str, store: str, to: str | None, as_json: bool) -> None:
    """Make a store of a backup, as it was at any moment of it.

    BACKUP is the directory that `oms backup` wrote; without --to, the last moment is restored.
    Groups stand where they stood; what was in flight is delivered again. All is checked on the way, and nothing is left
    behind when it fails.
    """
    from openmessaging.broker.restoring import after_index, after_time, digest_of
    from openmessaging.storage.backup import failed
    from openmessaging.storage.restore import manifest_of, restore_backup
    from openmessaging.system import SystemDisk

    disk = SystemDisk()
    last = manifest_of(disk, backup).points[-1]
    index = last.index if to is None or not to.isdecimal() else int(to)
    time_ms = None if to is None or to.isdecimal() else int(moment(to).timestamp() * 1000)
    if index > last.index or (time_ms is not None and time_ms > last.time_ms):
        step = "Leave --to out to restore that"
        raise error(1418, f"the backup ends with entry {last.index}, at {when(last.time_ms)}", next_step=step)
    beyond = after_index(index) if time_ms is None else after_time(time_ms)
    if os.path.exists(store) and (not os.path.isdir(store) or os.listdir(store)):
        step = "Name a new directory; move what is there aside first to restore in its place"
        raise error(1418, f"{store} is not empty", next_step=step)
    parent = os.path.dirname(os.path.abspath(store))
    made = f"{os.path.abspath(store)}.restoring-{os.getpid()}"
    try:
        disk.make_directory(made)
        with bar("restored") as show:
            restored = restore_backup(disk, backup, made, beyond, show)
        digest = digest_of(disk, made)
        if restored.expected not in (None, digest):
            step = "Restore with this backup's own release, or from another backup"
            raise error(1501, f"the restored state is not what was backed up at entry {restored.index}", next_step=step)
        if os.path.isdir(store):
            os.rmdir(store)
        disk.rename(made, store)
        disk.sync_directory(parent)
    except OSError as failure:
        raise failed(f"cannot restore to {store}", failure) from failure
    finally:
        shutil.rmtree(made, ignore_errors=True)
    verified = restored.expected is not None
    if as_json:
        fields = {"index": restored.index, "entries": restored.entries, "size_bytes": restored.size_bytes}
        print_json({"store": os.path.abspath(store), **fields, "digest": digest, "verified": verified})
        return
    print_fields(
        {
            "store": store,
            "up to entry": restored.index,
            "entries checked": f"{restored.entries:,}",
            "bytes of the log": f"{restored.size_bytes:,}",
            "digest": digest + (", as backed up" if verified else ""),
        }
    )
