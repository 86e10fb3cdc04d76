"""Looking at a store without opening it: read-only, without its lock, whole or damaged.

On a store in use, entries that are just being written may look like a torn tail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.index_file import ENTRY_BYTES, HEADER_BYTES, check_header, entry_is_whole, entry_seed
from openmessaging.storage.interface import SegmentInfo
from openmessaging.storage.lock import holder
from openmessaging.storage.recovery import Scan, SegmentRead, check_clean, judge, read_clean, segment_read
from openmessaging.storage.segment.format import ENTRY_HEADER_BYTES, FORMAT, segment_base
from openmessaging.storage.segment.reader import find_entries, walk
from openmessaging.storage.segment.writer import Segment, load_segment
from openmessaging.storage.snapshot import SnapshotStore, check_snapshot, snapshot_name
from openmessaging.system.disk import Disk, SystemDisk


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    path: str
    what: str
    acknowledged: bool
    """Whether data that was acknowledged is, or may be, concerned."""
    position: int | None = None
    index: int | None = None


class StoreInfo(msgspec.Struct, frozen=True):
    """A store at a glance. Indexes and positions of the log; `max_index` is known after a clean close only."""

    directory: str
    format: int
    size_bytes: int
    """Space of all files, preallocated space included."""
    segments: list[SegmentInfo]
    """`size_bytes` of the last one is its file's."""
    min_index: int
    max_index: int | None
    snapshots: list[int]
    index_files: int
    clean: bool
    """Closed in order; False also while it is in use."""
    holder: dict[str, Any] | None
    """What the lock file names: pid, host, started_ms of the last process that opened the store."""


class VerifyReport(msgspec.Struct, frozen=True):
    """Everything was read; these are the findings."""

    segments: int
    entries: int
    """Whole entries."""
    snapshots: int
    index_files: int
    findings: list[Finding]

    @property
    def whole(self) -> bool:
        """Whether all that was acknowledged is there."""
        return not any(finding.acknowledged for finding in self.findings)


class DumpEntry(msgspec.Struct, frozen=True):
    """An entry, or with `problem` a place where there should be one."""

    path: str
    position: int
    index: int
    size: int
    term: int
    body: bytes
    problem: str | None = None


class _Gap(msgspec.Struct, frozen=True):
    position: int
    index: int
    size: int
    next_index: int | None


def info(directory: str, disk: Disk | None = None) -> StoreInfo:
    """What a store consists of. Raises OMSRuntimeException 1418 when there is none, 1501 or 1101 when it is damaged."""
    disk = disk or SystemDisk()
    log_directory = _log_directory(directory, disk)
    segments, findings = _segments(disk, log_directory)
    if findings:
        raise error(1501, f"{findings[0].path}: {findings[0].what}", next_step="Run `oms store verify`")
    mark = read_clean(disk, directory)
    infos = [
        SegmentInfo(segment.base_index, segment.base_position, read.end - segment.base_position, segment.path)
        for segment, read in segments
    ]
    size = sum(
        disk.open(os.path.join(folder, name), read_only=True).size()
        for folder in (log_directory, os.path.join(directory, "index"), os.path.join(directory, "snapshots"))
        for name in disk.list(folder)
    )
    return StoreInfo(
        directory,
        FORMAT,
        size,
        infos,
        infos[0].base_index if infos else 0,
        mark.last_index if mark else None,
        SnapshotStore(disk, os.path.join(directory, "snapshots")).indexes(),
        len(_index_names(disk, directory)),
        mark is not None,
        holder(directory) if isinstance(disk, SystemDisk) else None,
    )


def verify(directory: str, disk: Disk | None = None) -> VerifyReport:
    """Read and check every entry, snapshot and index entry. Raises OMSRuntimeException 1418 when there is no store."""
    disk = disk or SystemDisk()
    segments, findings = _segments(disk, _log_directory(directory, disk))
    entries = 0
    for number, (segment, read) in enumerate(segments):
        following = segments[number + 1][0] if number + 1 < len(segments) else None
        count, found = _verify_segment(segment, read, following)
        entries += count
        findings += found
    findings += _verify_clean(disk, directory, segments)
    begins = segments[0][0].base_index if segments else 0
    snapshots, found = _verify_snapshots(disk, os.path.join(directory, "snapshots"), begins)
    findings += found
    names = _index_names(disk, directory)
    for name in names:
        findings += _verify_index(disk, os.path.join(directory, "index", name), int(name.removesuffix(".idx")))
    return VerifyReport(len(segments), entries, snapshots, len(names), findings)


def dump(directory: str, disk: Disk | None = None) -> Iterator[DumpEntry]:
    """The entries as far as they can be read; damage is passed over, and said. Bodies are the owner's business.

    Raises OMSRuntimeException 1418 when there is no store.
    """
    disk = disk or SystemDisk()
    segments, findings = _segments(disk, _log_directory(directory, disk))
    for finding in findings:
        yield DumpEntry(finding.path, finding.position or 0, finding.index or 0, 0, 0, b"", finding.what)
    for number, (segment, read) in enumerate(segments):
        last = number == len(segments) - 1
        if not last:
            read.end = min(read.end, segments[number + 1][0].base_position)
        for item in _items(segment, read, last=last):
            if isinstance(item, DumpEntry):
                yield item
            else:
                problem = _describe(item)
                yield DumpEntry(segment.path, item.position, item.index, item.size, 0, b"", problem)


def _log_directory(directory: str, disk: Disk) -> str:
    path = os.path.join(directory, "log")
    if not disk.exists(path):
        raise error(1418, f"{directory} holds no store", next_step="Name the directory that the store was opened with")
    return path


def _segments(disk: Disk, log_directory: str) -> tuple[list[tuple[Segment, SegmentRead]], list[Finding]]:
    """The segments that can be read, and what is wrong with the others."""
    segments: list[tuple[Segment, SegmentRead]] = []
    findings: list[Finding] = []
    for name in disk.list(log_directory):
        base = segment_base(name)
        if base is None:
            continue
        path = os.path.join(log_directory, name)
        try:
            file = disk.open(path, read_only=True)
            segment = load_segment(file, path)
        except OSError as failure:
            findings.append(Finding(path, f"cannot be read: {failure.strerror or failure}", True, base))
        except OMSRuntimeException as failure:
            findings.append(Finding(path, failure.reason, True, base))
        else:
            if segment.base_position != base:
                findings.append(Finding(path, f"its header names position {segment.base_position}", True, base))
            segments.append((segment, segment_read(file, segment)))
    if not segments and not findings:
        findings.append(Finding(log_directory, "there is no segment", True))
    return segments, findings


def _items(segment: Segment, read: SegmentRead, *, last: bool) -> Iterator[DumpEntry | _Gap]:
    """Whole entries in order, and the gaps between them."""
    position, index = segment.base_position, segment.base_index
    while True:
        for start, size, _, number, term, chunk, at in walk(read, position, index, segment.seed):
            yield DumpEntry(segment.path, start, number, size, term, chunk[at + ENTRY_HEADER_BYTES : at + size])
            position, index = start + ((size + 8) & ~7), number + 1
        rest = read(position, read.end - position)
        if not rest or (last and not rest.strip(b"\0")):
            return
        found = next(find_entries(rest, segment.seed, index), None)
        size = found[0] if found else len(rest.rstrip(b"\0")) if last else len(rest)
        yield _Gap(position, index, size, found[1] if found else None)
        if found is None:
            return
        position, index = position + found[0], found[1]


def _verify_segment(segment: Segment, read: SegmentRead, following: Segment | None) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    entries, end, index = 0, segment.base_position, segment.base_index
    if following is not None:
        read.end = min(read.end, following.base_position)
    for item in _items(segment, read, last=following is None):
        if isinstance(item, DumpEntry):
            entries += 1
            end, index = item.position + ((item.size + 8) & ~7), item.index + 1
            continue
        finding = _judged(segment, read, item) if following is None and not findings else None
        if finding is None:
            finding = Finding(segment.path, _describe(item), True, item.position, item.index)
        findings.append(finding)
        if not finding.acknowledged:
            return entries, findings
    if following is not None and not findings and (end, index) != (following.base_position, following.base_index):
        what = f"it does not reach the next segment (position {following.base_position}, index {following.base_index})"
        findings.append(Finding(segment.path, what, True, end, index))
    return entries, findings


def _judged(segment: Segment, read: SegmentRead, gap: _Gap) -> Finding | None:
    """The first gap of the last segment: a torn tail is no damage."""
    try:
        cut = judge(read, segment, Scan(gap.index, gap.position, gap.position, -1, 0))
    except OMSRuntimeException as failure:
        return Finding(segment.path, failure.reason, True, gap.position, gap.index)
    if cut is None:
        return None
    what = f"a torn tail of {cut.size_bytes} bytes, never synced: it is cut when the store is opened"
    return Finding(segment.path, what, False, cut.position, cut.index)


def _describe(gap: _Gap) -> str:
    what = f"{gap.size} bytes are no whole entry"
    return f"{what}; entries {gap.index} to {gap.next_index - 1} are missing" if gap.next_index is not None else what


def _verify_clean(disk: Disk, directory: str, segments: list[tuple[Segment, SegmentRead]]) -> list[Finding]:
    path = os.path.join(directory, "clean")
    try:
        mark = read_clean(disk, directory)
        if mark is not None and segments:
            check_clean(segments[-1][1], segments[-1][0], mark)
        elif mark is None and disk.exists(path):
            return [Finding(path, "it is damaged: the log is read when the store is opened", False)]
    except OMSRuntimeException as failure:
        return [Finding(path, failure.reason, True)]
    return []


def _verify_snapshots(disk: Disk, directory: str, begins: int) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    whole: list[int] = []
    for index in SnapshotStore(disk, directory).indexes():
        path = os.path.join(directory, snapshot_name(index))
        try:
            file = disk.open(path, read_only=True)
            problem = check_snapshot(file.read_at(0, file.size()), index, path)
        except OSError as failure:
            problem = f"cannot be read: {failure.strerror or failure}"
        except OMSRuntimeException as failure:
            problem = failure.reason
        if problem is None:
            whole.append(index)
        else:
            findings.append(Finding(path, problem, False, index=index))
    if begins > max(whole, default=-1) + 1:
        what = f"the log begins at index {begins}, and no whole snapshot stands for what was before"
        findings.append(Finding(directory, what, True))
    return len(whole), findings


def _index_names(disk: Disk, directory: str) -> list[str]:
    names = disk.list(os.path.join(directory, "index"))
    return [name for name in names if name.endswith(".idx") and name.removesuffix(".idx").isdigit()]


def _verify_index(disk: Disk, path: str, partition_id: int) -> list[Finding]:
    """Indexes are made from the log: whatever is wrong with one, nothing is lost."""
    try:
        file = disk.open(path, read_only=True)
        problem = check_header(file.read_at(0, HEADER_BYTES), partition_id, path)
        if problem is not None:
            return [Finding(path, f"{problem}: it is built anew from the log", False)]
        seed, number = entry_seed(partition_id), 0
        while data := file.read_at(HEADER_BYTES + number * ENTRY_BYTES, 1 << 20):
            for at in range(0, len(data), ENTRY_BYTES):
                if not entry_is_whole(data, at, seed):
                    what = f"entry {number} is not whole: it is added again, or the index built anew, from the log"
                    return [Finding(path, what, False)]
                number += 1
    except (OSError, OMSRuntimeException) as failure:
        return [Finding(path, str(failure), False)]
    return []


__all__ = ["DumpEntry", "Finding", "StoreInfo", "VerifyReport", "dump", "info", "verify"]
