"""A backup in a directory: segments of the log and states, as a store has them, and a manifest that says what counts.

    backup.json          what belongs to it, with sizes and CRCs; written last, so that a backup is whole or is none
    log/<position>.seg   segments, each up to where it was backed up
    snapshots/<index>    the state after the last entry of each backup

Backed up again into the same directory, it grows by what is new; nothing that the manifest names is ever changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import google_crc32c
import msgspec

from openmessaging.model.backup import STATE, BackupPlan
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.recovery import scan, segment_read
from openmessaging.storage.segment.format import SEGMENT_HEADER_BYTES, newer_format, segment_name
from openmessaging.storage.segment.writer import load_segment
from openmessaging.storage.snapshot import encode_snapshot, snapshot_name
from openmessaging.system.disk import Disk, File

FORMAT = 1
MANIFEST = "backup.json"
LOCK = "LOCK"
"""The holder of the directory, while a backup is made."""
BEGUN = "begun"
"""There while the first backup of a directory is not complete."""
PIECE_BYTES = 1 << 20
Read = Callable[[int, int, int], bytes]
"""Reads the source: base position, from byte, size."""
Progress = Callable[[int, int], object]
"""Told how many bytes were copied, of how many."""


class Part(msgspec.Struct):
    """A segment, as far as it was backed up."""

    base_index: int
    base_position: int
    size_bytes: int
    crc: int


class Point(msgspec.Struct):
    """One backup: the store after an entry."""

    index: int
    position: int
    time_ms: int
    digest: str


class Manifest(msgspec.Struct):
    """What a backup consists of."""

    format: int
    first_index: int
    """The earliest entry that can be restored to; -1: the empty store."""
    points: list[Point]
    parts: list[Part]


class Written(msgspec.Struct, frozen=True):
    """What a backup did."""

    index: int
    time_ms: int
    digest: str
    first_index: int
    copied_bytes: int
    size_bytes: int
    """Of the log in the backup."""


def read_manifest(disk: Disk, directory: str) -> Manifest | None:
    """What a directory holds; None without a backup.

    Raises OMSRuntimeException 1101 for one of a newer release, 1501 for a damaged one.
    """
    path = os.path.join(directory, MANIFEST)
    if not disk.exists(path):
        return None
    file = disk.open(path, read_only=True)
    text = file.read_at(0, file.size())
    file.close()
    try:
        version = msgspec.json.decode(text, type=dict)["manifest"]["format"]
        if isinstance(version, int) and version > FORMAT:
            raise newer_format(path, version, FORMAT)
        signed = msgspec.json.decode(text, type=_Signed)
        if signed.crc == google_crc32c.value(bytes(signed.manifest)):
            return msgspec.json.decode(signed.manifest, type=Manifest)
    except (msgspec.DecodeError, LookupError, TypeError):
        pass
    raise error(1501, f"the backup is damaged: {path} does not check", next_step="Take another copy, or an older one")


class _Signed(msgspec.Struct):
    manifest: msgspec.Raw
    crc: int


def write_backup(disk: Disk, directory: str, plan: BackupPlan, read: Read, progress: Progress) -> Written:
    """Back up into a directory, which is empty, or holds earlier backups of the same store.

    Raises OMSRuntimeException: 1418 for a directory that holds something else, or backups of another store or another
    past of it; 1501 for damage in the source (with its position) or a failing disk.
    """
    manifest = _begun(disk, directory)
    known = {part.base_position: part for part in manifest.parts}
    _check_continues(manifest, plan, read)
    missing = [
        (segment, known.get(segment.base_position) or Part(segment.base_index, segment.base_position, 0, 0))
        for segment in plan.segments
    ]
    total = sum(segment.size_bytes - part.size_bytes for segment, part in missing) + plan.state_bytes
    done = 0
    for segment, part in missing:
        if part.size_bytes == segment.size_bytes:
            continue
        grown = msgspec.structs.replace(part)
        path = os.path.join(directory, "log", segment_name(part.base_position))
        file = disk.open(path, create=True)
        file.truncate(part.size_bytes)  # what an earlier try left behind goes
        for at, piece in _pieces(read, segment.base_position, part.size_bytes, segment.size_bytes):
            file.write_at(at, [piece])
            grown.crc = google_crc32c.extend(grown.crc, piece)
            grown.size_bytes += len(piece)
            done += len(piece)
            progress(done, total)
        file.sync()
        _check_entries(file, path, part, grown)
        file.close()
        known[part.base_position] = grown
    manifest.parts = [known[position] for position in sorted(known)]
    state = b"".join(piece for _, piece in _pieces(read, STATE, 0, plan.state_bytes))
    if plan.index >= 0:
        path = os.path.join(directory, "snapshots", snapshot_name(plan.index))
        _write(disk, path, encode_snapshot(plan.index, state))
    progress(total, total)
    if not manifest.points:
        manifest.first_index = -1 if plan.segments[0].base_index == 0 else plan.index
    if not manifest.points or manifest.points[-1].index < plan.index:
        manifest.points.append(Point(plan.index, plan.position, plan.time_ms, plan.digest))
    disk.sync_directory(os.path.join(directory, "log"))
    disk.sync_directory(os.path.join(directory, "snapshots"))
    _sign(disk, directory, manifest)
    size = sum(part.size_bytes for part in manifest.parts)
    return Written(plan.index, plan.time_ms, plan.digest, manifest.first_index, done + len(state), size)


def check_target(disk: Disk, directory: str) -> None:
    """Check that a directory may be backed up into. Raises OMSRuntimeException 1418 when it holds other things."""
    names = [name for name in disk.list(directory) if name != LOCK]
    if names and BEGUN not in names and MANIFEST not in names:
        step = "Name an empty directory, or one that `oms backup` made"
        raise error(1418, f"{directory} holds other files, as {names[0]}", next_step=step)


def _begun(disk: Disk, directory: str) -> Manifest:
    """The backups that are there; a new series where there are none."""
    manifest = read_manifest(disk, directory)
    if manifest is not None:
        return manifest
    check_target(disk, directory)
    disk.make_directory(directory)
    _write(disk, os.path.join(directory, BEGUN), [b"\n"])
    disk.sync_directory(directory)
    for name in ("log", "snapshots"):
        disk.make_directory(os.path.join(directory, name))
    return Manifest(FORMAT, 0, [], [])


def _check_continues(manifest: Manifest, plan: BackupPlan, read: Read) -> None:
    """Check that the source is the store of the earlier backups, with the same past."""
    if not manifest.parts:
        return
    last = manifest.parts[-1]
    step = "Back up into a new directory; this one can still be restored"
    source = next((each for each in plan.segments if each.base_position == last.base_position), None)
    if source is None and plan.segments[0].base_position > last.base_position:
        raise error(1418, "the store has given up what follows its last backup here", next_step=step)
    if source is None or source.size_bytes < last.size_bytes or plan.index < manifest.points[-1].index:
        raise error(1418, "the backups in this directory are of another store, or of another past", next_step=step)
    crc = 0
    for _, piece in _pieces(read, last.base_position, 0, last.size_bytes):
        crc = google_crc32c.extend(crc, piece)
    if crc != last.crc:
        raise error(1418, "the backups in this directory are of another store, or of another past", next_step=step)


def _check_entries(file: File, path: str, before: Part, part: Part) -> None:
    """Check that what was copied are whole entries to the end: a damaged store must not pass for a backup."""
    segment = load_segment(file, path)
    end = part.base_position + part.size_bytes - SEGMENT_HEADER_BYTES
    found = scan(segment_read(file, segment, end), segment)
    if found.position != end:
        text = f"the store is damaged: {os.path.basename(path)} at position {found.position}, index {found.next_index}"
        kept = f"; {before.size_bytes:,} bytes of it were backed up earlier" if before.size_bytes else ""
        raise error(
            1501, text + kept, next_step="Run `oms store verify` on the store; earlier backups are as they were"
        )


def _pieces(read: Read, base_position: int, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while at < end:
        piece = read(base_position, at, min(PIECE_BYTES, end - at))
        if not piece:
            raise error(1501, f"the store ended at byte {at:,} of {end:,}", next_step="Begin the backup again")
        yield at, piece
        at += len(piece)


def _write(disk: Disk, path: str, parts: list[bytes]) -> None:
    file = disk.open(path, create=True)
    file.truncate(0)
    file.write_at(0, parts)
    file.sync()
    file.close()


def _sign(disk: Disk, directory: str, manifest: Manifest) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=0)
    signed = _Signed(msgspec.Raw(text), google_crc32c.value(text))
    path = os.path.join(directory, MANIFEST)
    _write(disk, path + ".tmp", [msgspec.json.encode(signed)])
    disk.rename(path + ".tmp", path)
    disk.sync_directory(directory)
    if disk.exists(os.path.join(directory, BEGUN)):
        disk.remove(os.path.join(directory, BEGUN))


def failed(what: str, failure: OSError) -> OMSRuntimeException:
    """The error for a disk that fails."""
    text = f"{what}: {failure.strerror or failure}"
    return error(1501, text, next_step="Check the directory's permissions, the free space and the disk")
