"""Making a store of a backup, as it was after one of its entries.

Every entry up to there is read and checked on the way; what comes after it is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.backup import MANIFEST, PIECE_BYTES, Manifest, Part, Progress, read_manifest
from openmessaging.storage.recovery import CleanMark, SegmentRead, segment_read, write_clean
from openmessaging.storage.segment.format import (
    ENTRY_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    occupied,
    segment_name,
)
from openmessaging.storage.segment.reader import walk
from openmessaging.storage.segment.writer import load_segment
from openmessaging.storage.snapshot import check_snapshot, snapshot_name
from openmessaging.system.disk import Disk, File

Beyond = Callable[[int, bytes], bool]
"""Whether an entry, by its index and body, comes after the point that is restored to."""


class Restored(msgspec.Struct, frozen=True):
    """What was restored."""

    index: int
    """The last entry; -1: an empty store."""
    entries: int
    size_bytes: int
    """Of the log."""
    expected: str | None
    """The digest of the state then, where a backup was made of just that entry."""


def manifest_of(disk: Disk, backup: str) -> Manifest:
    """What a backup holds. Raises OMSRuntimeException 1418 where there is none, or none that was completed; as
    `read_manifest`."""
    manifest = read_manifest(disk, backup)
    if manifest is None:
        what = "was not completed" if disk.list(backup) else "is not there"
        step = "Name the directory that `oms backup` wrote to; run it again if it was interrupted"
        raise error(1418, f"there is no backup in {backup}: {MANIFEST} {what}", next_step=step)
    return manifest


def restore_backup(disk: Disk, backup: str, target: str, beyond: Beyond, progress: Progress) -> Restored:
    """Write the store of a backup into an empty directory, up to the first entry that is `beyond`.

    Raises OMSRuntimeException: as `manifest_of`; 1418 for a point before all that the backup holds; 1501 for damage,
    with file, position and index. OSError when the disk fails.
    """
    manifest = manifest_of(disk, backup)
    total = sum(part.size_bytes for part in manifest.parts)
    for name in ("log", "snapshots"):
        disk.make_directory(os.path.join(target, name))
    mark = CleanMark(-1, 0, 0)
    done = entries = 0
    for number, part in enumerate(manifest.parts):
        mark, count, cut = _restore_part(disk, backup, target, part, beyond, mark if number else None)
        done += part.size_bytes
        entries += count
        progress(done, total)
        if cut:
            break
    progress(total, total)
    if mark.last_index < manifest.first_index:
        text = f"the backup begins at entry {manifest.first_index}, that point is before it"
        raise error(1418, text, next_step="Restore to a later time, or from an older backup")
    _restore_state(disk, backup, target, manifest, mark.last_index)
    for name in ("log", "snapshots"):
        disk.sync_directory(os.path.join(target, name))
    write_clean(disk, target, mark)
    expected = next((point.digest for point in manifest.points if point.index == mark.last_index), None)
    return Restored(mark.last_index, entries, mark.end_position - manifest.parts[0].base_position, expected)


def _restore_part(
    disk: Disk, backup: str, target: str, part: Part, beyond: Beyond, before: CleanMark | None
) -> tuple[CleanMark, int, bool]:
    """Restore a segment; where it ends, how many entries it has, and whether that is the point."""
    name = segment_name(part.base_position)
    path = os.path.join(backup, "log", name)
    if not disk.exists(path):
        raise _damaged(path, "it is missing", part.base_position, part.base_index)
    file = disk.open(path, read_only=True)
    try:
        segment = load_segment(file, path)
    except OMSRuntimeException as failure:
        raise failure if failure.code == 1101 else _damaged(path, failure.reason, part.base_position) from failure
    end = part.base_position + part.size_bytes - SEGMENT_HEADER_BYTES
    read = segment_read(file, segment, end)
    if (segment.base_position, segment.base_index) != (part.base_position, part.base_index):
        raise _damaged(path, "it is another segment", part.base_position, part.base_index)
    mark, entries, cut = _walked(read, part, segment.seed, beyond, before)
    if not cut and mark.end_position != end:
        raise _damaged(path, "the entry is not whole", mark.end_position, mark.last_index + 1)
    if entries or before is None:
        _copy(file, disk, os.path.join(target, "log", name), mark.end_position - part.base_position)
    file.close()
    return mark, entries, cut


def _walked(
    read: SegmentRead, part: Part, seed: int, beyond: Beyond, before: CleanMark | None
) -> tuple[CleanMark, int, bool]:
    mark = before or CleanMark(part.base_index - 1, part.base_position, part.base_position)
    entries = 0
    for position, size, _, index, _, chunk, at in walk(read, part.base_position, part.base_index, seed):
        if beyond(index, chunk[at + ENTRY_HEADER_BYTES : at + size]):
            return mark, entries, True
        mark = CleanMark(index, position, position + occupied(size))
        entries += 1
    return mark, entries, False


def _copy(file: File, disk: Disk, path: str, size: int) -> None:
    made = disk.open(path, create=True)
    end = SEGMENT_HEADER_BYTES + size
    for at in range(0, end, PIECE_BYTES):
        made.write_at(at, [file.read_at(at, min(PIECE_BYTES, end - at))])
    made.sync()
    made.close()


def _restore_state(disk: Disk, backup: str, target: str, manifest: Manifest, index: int) -> None:
    """The newest whole state at or before an entry; without one the whole log is replayed, where it is there."""
    problems: list[str] = []
    for point in reversed(manifest.points):
        if point.index <= index and point.index >= 0:
            name = snapshot_name(point.index)
            path = os.path.join(backup, "snapshots", name)
            problem: str | None = "it is missing"
            data = b""
            if disk.exists(path):
                file = disk.open(path, read_only=True)
                data = file.read_at(0, file.size())
                file.close()
                problem = check_snapshot(data, point.index, path)
            if problem is None:
                made = disk.open(os.path.join(target, "snapshots", name), create=True)
                made.write_at(0, [data])
                made.sync()
                made.close()
                return
            problems.append(f"{path}: {problem}")
    if manifest.first_index >= 0:
        step = "Take another copy of the backup, or an older one"
        raise error(1501, f"the backup is damaged: {'; '.join(problems)}", next_step=step)


def _damaged(path: str, what: str, position: int, index: int | None = None) -> OMSRuntimeException:
    place = f"position {position}" + ("" if index is None else f", index {index}")
    step = "Take another copy of the backup; `--to` an earlier point leaves this out"
    return error(1501, f"the backup is damaged: {path} at {place}: {what}", next_step=step)
