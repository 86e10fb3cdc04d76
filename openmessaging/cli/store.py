"""`oms store`."""

from __future__ import annotations

import click

from openmessaging.cli.entry import describe
from openmessaging.cli.failure import FAILED
from openmessaging.cli.options import json_option
from openmessaging.cli.output import print_fields, print_json, print_table
from openmessaging.storage import inspect


@click.group("store")
def command() -> None:
    """Look into a store without opening it, whole or damaged.

    It may be in use. Nothing is changed.
    """


@command.command("info")
@click.argument("directory")
@json_option
def info(directory: str, as_json: bool) -> None:
    """Show size, segments and snapshots of the store in DIRECTORY, and who has it open."""
    found = inspect.info(directory)
    if as_json:
        print_json(found)
        return
    holder = found.holder or {}
    fields: dict[str, object] = {
        "directory": found.directory,
        "format": found.format,
        "size in bytes": found.size_bytes,
        "entries": f"{found.min_index} to {'?' if found.max_index is None else found.max_index}",
        "closed in order": "yes" if found.clean else "no, or in use",
        "snapshots": ", ".join(map(str, found.snapshots)),
        "index files": found.index_files,
        "last opened by": f"process {holder.get('pid')} on {holder.get('host')}" if holder else "",
    }
    print_fields(fields)
    print()
    rows = [(segment.base_index, segment.base_position, segment.size_bytes, segment.path) for segment in found.segments]
    print_table(("first index", "first position", "bytes", "segment"), rows)


@command.command("verify")
@click.argument("directory")
@json_option
@click.pass_context
def verify(ctx: click.Context, directory: str, as_json: bool) -> None:
    """Check every entry, snapshot and index of the store in DIRECTORY; exit code 1 when damage is found.

    Damage is what may concern acknowledged data. What a crash leaves behind, or what is built anew from the log when
    the store is opened, is mentioned, and no damage.
    """
    report = inspect.verify(directory)
    if as_json:
        print_json({"whole": report.whole, **_parts(report)})
    else:
        for finding in report.findings:
            place = "" if finding.position is None else f", position {finding.position}"
            index = "" if finding.index is None else f", index {finding.index}"
            print(f"{'DAMAGE' if finding.acknowledged else 'note'}: {finding.path}{place}{index}: {finding.what}")
        counts = f"{report.entries:,} entries in {report.segments} segments, {report.snapshots} snapshots"
        print(f"{'whole' if report.whole else 'damaged'}: {counts}, {report.index_files} index files")
    if not report.whole:
        ctx.exit(FAILED)


@command.command("dump")
@click.argument("directory")
@json_option
@click.pass_context
def dump(ctx: click.Context, directory: str, as_json: bool) -> None:
    """Print every entry of the log of the store in DIRECTORY, and in its place what cannot be read; exit code 1 for
    damage.

    An entry holds operations (queues, groups, leases, acknowledgements) and batches of messages. Bodies are shown as
    text, or as hex where they are none.
    """
    names: dict[int, tuple[str, int]] = {}
    unreadable = False
    for item in inspect.dump(directory):
        entry = describe(item, names)
        unreadable = unreadable or entry.problem is not None
        if as_json:
            print_json(entry)
        else:
            for line in entry.lines():
                print(line)
    if unreadable and not inspect.verify(directory).whole:  # a torn tail is no damage
        ctx.exit(FAILED)


def _parts(report: inspect.VerifyReport) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__}
