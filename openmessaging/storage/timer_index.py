"""The timer index: which delayed message is due next, and where one of a given id waits, of millions in little memory.

A small log-structured tree. New timers are kept in memory in small sorted chunks; from `LIMIT` on they become a *run*,
a sorted file that is never changed. A run of which nothing is due for a while is *raw* at first: it is sorted
when that changes, by upkeep. The next timer is the least of the heads of all chunks and runs, which a heap knows:
adding costs O(log n), memory is bounded. A timer is only a hint: whether its message still waits is for the owner
(`Shelves`) to say, so cancelling touches nothing here, and one that is added twice does no harm.

The index is a cache of the log, as the indexes of partitions are: `save` writes a checkpoint before each snapshot, the
replay adds what came after it, and without a whole checkpoint the owner adds all that waits again.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from bisect import insort
from collections.abc import Callable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush, heapreplace, nsmallest
from itertools import count
from typing import Protocol

from openmessaging.model.errors import error
from openmessaging.storage.cache import OpenFiles
from openmessaging.storage.timer_chunk import Chunk
from openmessaging.storage.timer_file import (
    FORMAT,
    OFFSET_BITS,
    RAW,
    BatchId,
    Checkpoint,
    Damaged,
    RunFile,
    Timer,
    encode_run,
    find_in,
    in_order,
    load_checkpoint,
    run_name,
    save_checkpoint,
)
from openmessaging.system.disk import Disk, File

LIMIT = 32_768
"""Timers and ids in memory from which on they are written as a run."""
MERGE_ABOVE = 512
"""Runs above which the emptiest are merged."""
FAR_MS = 600_000
"""A run of which nothing is due for so long is raw at first."""
LATEST_MS = 1 << 62
_MERGED_RUNS = 64
_MERGED_TIMERS = 8 * LIMIT
_OPEN_FILES = 64


class Shelves(Protocol):
    """Who knows which delayed messages still wait."""

    def is_waiting(self, shelf: int, offset: int) -> bool:
        """Whether a message waits."""
        ...

    def any_waiting(self, shelf: int, start: int, end: int) -> bool:
        """Whether one of `[start, end)` waits."""
        ...


class TimerIndex:
    """The timers of all shelves. Its owner holds a lock around all calls but `save` and `compact`.

    Args:
        disk: where the runs lie; None: all stays in memory.
        directory: of the runs.
    """

    def __init__(self, disk: Disk | None, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self.shelves: Shelves = _NoShelves()
        self._files = OpenFiles(disk, _OPEN_FILES, writable=True) if disk is not None else None
        self._next_number = 0
        self._serials = count()
        self._save_index = -1
        self._runs: dict[int, RunFile] = {}
        self._gone: list[int] = []
        """Runs that count no more, and whose files are still there."""
        self.clear()

    def clear(self) -> None:
        """Forget all timers; files stay until the next `save`."""
        self._heap: list[tuple[int, int, Chunk | RunFile]] = []
        self._gone += self._runs
        self._runs.clear()
        self._unsynced: list[int] = []
        self._ids: list[BatchId] = []
        self._taken: list[Timer] = []
        self._deferred: dict[tuple[int, int], int] = {}
        self._held = 0
        """Timers and ids added since the last run was written."""

    def add(
        self, shelf: int, base: int, dues: Sequence[int], ids: Sequence[tuple[int, int, int]], now_ms: int = LATEST_MS
    ) -> int:
        """Add the messages from an offset on, each due at a time; `ids`: for each row of them whose ids follow one
        another, (id of the first, how many, place of the first). Returns when the first is due."""
        chunk = Chunk(shelf, base, dues)
        heappush(self._heap, (chunk.first_ms, next(self._serials), chunk))
        for first, together, place in ids:
            insort(self._ids, (first, together, shelf, base + place))
        self._held += len(dues) + len(ids)
        if self._held >= LIMIT:
            self._make_room(now_ms)
        return chunk.first_ms

    def next_ms(self) -> int | None:
        """When the next timer is due; one whose message waits no more may count."""
        self._give_back()
        heap = self._heap
        while heap:
            _, _, source = heap[0]
            timer = source.timer()
            if timer is not None and self._counts(timer):
                return timer[0]
            self._step(source)
        return None

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        """At most `limit` timers that are due, in order of time. They are given back with the next call unless their
        messages wait no more by then."""
        self._give_back()
        heap, found = self._heap, self._taken
        while heap and heap[0][0] <= now_ms and len(found) < limit:
            source = heap[0][2]
            if isinstance(source, RunFile) and source.raw:
                self.sort(source)
                continue
            timer = source.timer()
            if timer is not None and self._counts(timer):
                found.append(timer)
            self._step(source)
        return list(dict.fromkeys(found))

    def defer(self, shelf: int, offset: int, until_ms: int) -> None:
        """A message that was due cannot be fired now: ask again at that time."""
        self._deferred[shelf, offset] = until_ms
        self._push(Chunk(shelf, offset, (until_ms,)))

    def find(self, message_id: int) -> list[tuple[int, int]]:
        """Where messages with an id were added (shelf, offset), the last one first."""
        found = [find_in(self._ids, message_id)]
        found += [self._runs[number].find(message_id) for number in sorted(self._runs, reverse=True)]
        return [(holder[2], holder[3] + message_id - holder[0]) for holder in found if holder is not None]

    def capture(self, index: int) -> Checkpoint:
        """What `save` has to write, as of now, when the log ends with the entry at `index`."""
        self._give_back()
        chunks = [source for _, _, source in self._heap if isinstance(source, Chunk)]
        timers = [(due, chunk.shelf, offset) for chunk in chunks for due, offset in zip(*chunk.rest(), strict=True)]
        ids = [(first.to_bytes(16, "big"), together, shelf, base) for first, together, shelf, base in self._ids]
        runs = [(number, run.at) for number, run in sorted(self._runs.items())]
        return Checkpoint(FORMAT, index, self._next_number, runs, timers, ids)

    def save(self, checkpoint: Checkpoint) -> None:
        """Make a checkpoint durable, when the log is durable up to its entry; before the snapshot of that entry.

        Raises OMSRuntimeException 1501 when it cannot be written; there must be no snapshot then.
        """
        disk = self._disk
        if (
            disk is None
            or self._files is None
            or not (checkpoint.next_number or checkpoint.timers or self._save_index >= 0)
        ):
            return
        kept = {number for number, _ in checkpoint.runs}
        unsynced = [number for number in self._unsynced if number in kept]
        try:
            disk.make_directory(self._directory)
            for number in unsynced:
                self._opener(number)().sync()
            disk.sync_directory(self._directory)
            save_checkpoint(disk, self._directory, checkpoint)
        except OSError as failure:
            step = "Check the free space and the disk"
            text = f"cannot write the timers in {self._directory}: {failure.strerror or failure}"
            raise error(1501, text, next_step=step) from failure
        self._save_index = checkpoint.index
        self._unsynced = [number for number in self._unsynced if number not in unsynced]
        gone = [number for number in self._gone if number not in kept and number < checkpoint.next_number]
        self._gone = [number for number in self._gone if number not in gone]
        for number in gone:
            self._files.forget(self._path(number))
            with contextlib.suppress(OSError):
                disk.remove(self._path(number))

    def restore(self, index: int) -> bool:
        """Take up the last checkpoint, for a snapshot of the entry at `index`. False when there is none for it, or a
        file is damaged: then nothing is here, and all that waits must be added again. Raises OSError."""
        disk = self._disk
        if disk is None:
            return False
        try:
            checkpoint = load_checkpoint(disk, self._directory)
            if checkpoint.index < index:
                raise Damaged("the checkpoint is older than the snapshot")
            runs = [RunFile(number, self._opener(number), at) for number, at in checkpoint.runs]
        except Damaged:
            self.forget_files()
            return False
        self.forget_files({number for number, _ in checkpoint.runs})
        self._next_number = max(self._next_number, checkpoint.next_number)
        self._save_index = checkpoint.index
        for run in runs:
            self._runs[run.number] = run
            self._push(run)
        for due, shelf, offset in checkpoint.timers:
            self._push(Chunk(shelf, offset, (due,)))
        self._ids = [(int.from_bytes(first), together, shelf, base) for first, together, shelf, base in checkpoint.ids]
        self._held = len(checkpoint.timers) + len(self._ids)
        return True

    def forget_files(self, kept: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """Remove the runs of an earlier process that do not count. Raises OSError."""
        if self._disk is None:
            return
        for name in self._disk.list(self._directory):
            stem = name.removesuffix(".run")
            if stem != name and stem.isdigit():
                self._next_number = max(self._next_number, int(stem) + 1)
                if int(stem) not in kept:
                    self._disk.remove(os.path.join(self._directory, name))

    def compact(self) -> list[RunFile]:
        """The runs to be merged now, none most of the time: those with the fewest timers left."""
        if len(self._runs) <= MERGE_ABOVE:
            return []
        sorted_runs = (run for run in self._runs.values() if not run.raw)
        emptiest = nsmallest(_MERGED_RUNS, sorted_runs, key=lambda run: run.count - run.at)
        return emptiest if sum(run.count - run.at for run in emptiest) <= _MERGED_TIMERS else []

    def merge(self, runs: Sequence[RunFile]) -> None:
        """Write what of some runs still waits as one run, in their place."""
        timers = sorted(timer for run in runs for timer in run.read(run.at, run.count) if self._counts(timer))
        ids = [
            each for run in runs for each in run.ids() if self.shelves.any_waiting(each[2], each[3], each[3] + each[1])
        ]
        places = {shelf: at for at, shelf in enumerate(sorted({shelf for _, shelf, _ in timers} | {i[2] for i in ids}))}
        dues = array("q", [due for due, _, _ in timers])
        refs = array("Q", [places[shelf] << OFFSET_BITS | offset for _, shelf, offset in timers])
        if self._write(list(places), dues, refs, sorted(ids)):
            numbers = {run.number for run in runs}
            self._heap = [item for item in self._heap if not _is_run_of(item[2], numbers)]
            heapify(self._heap)
            for number in numbers:
                self._drop_run(number)

    def raw(self, until_ms: int) -> RunFile | None:
        """A raw run of which something is due until then; None without any."""
        first = min((run for run in self._runs.values() if run.raw), key=lambda run: run.first[0], default=None)
        return None if first is None or first.first[0] > until_ms else first

    def sort(self, run: RunFile, ordered: tuple[array[int], array[int]] | None = None) -> None:
        """Put a sorted run in the place of a raw one, unless that is gone; `ordered`: `in_order` of its columns. Where
        the disk refuses, its timers go back into memory."""
        if self._runs.get(run.number) is not run:
            return
        ids = run.ids()
        if not self._write(run.shelves, *(ordered or in_order(*run.columns())), ids):
            timers = sorted(run.read(0, run.count))
            for shelf in {shelf for _, shelf, _ in timers}:
                theirs = [(due, offset) for due, each, offset in timers if each == shelf]
                self._push(Chunk.of(shelf, [due for due, _ in theirs], [offset for _, offset in theirs]))
            self._ids = sorted(self._ids + ids)
            self._held += len(timers) + len(ids)
        self._heap[:] = [item for item in self._heap if item[2] is not run]  # in place: whoever asks goes on with it
        heapify(self._heap)
        self._drop_run(run.number)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _push(self, source: Chunk | RunFile) -> None:
        timer = source.timer()
        if timer is not None:
            heappush(self._heap, (timer[0], next(self._serials), source))
        elif isinstance(source, RunFile):
            self._drop_run(source.number)

    def _step(self, source: Chunk | RunFile) -> None:
        """Pass over the timer of the source that is the first of the heap."""
        if isinstance(source, RunFile) and source.raw:
            self.sort(source)  # and it is the first of the heap again
            return
        source.at += 1
        timer = source.timer()
        if timer is not None:
            heapreplace(self._heap, (timer[0], next(self._serials), source))
            return
        heappop(self._heap)
        if isinstance(source, RunFile):
            self._drop_run(source.number)

    def _counts(self, timer: Timer) -> bool:
        due, shelf, offset = timer
        if not self.shelves.is_waiting(shelf, offset):
            self._deferred.pop((shelf, offset), None)
            return False
        return not self._deferred or due >= self._deferred.get((shelf, offset), due)

    def _give_back(self) -> None:
        """Timers that were taken, and whose messages wait all the same, count again."""
        if self._taken:
            taken, self._taken = self._taken, []
            for due, shelf, offset in taken:
                if self._counts((due, shelf, offset)):
                    self._push(Chunk(shelf, offset, (due,)))

    def _drop_run(self, number: int) -> None:
        if self._runs.pop(number, None) is not None:
            self._gone.append(number)

    def _make_room(self, now_ms: int) -> None:
        """Write what is in memory as a run, unless most of it is done with already."""
        chunks = [source for _, _, source in self._heap if isinstance(source, Chunk)]
        left = sum(len(chunk.dues) - chunk.at for chunk in chunks)
        if self._disk is None or left < LIMIT // 4:
            waiting = self.shelves.any_waiting
            self._ids = [each for each in self._ids if waiting(each[2], each[3], each[3] + each[1])]
            self._held = 0
            return
        places: dict[int, int] = {}
        dues, refs = array("q"), array("Q")
        for chunk in chunks:
            place = places.setdefault(chunk.shelf, len(places)) << OFFSET_BITS
            times, offsets = chunk.rest()
            dues.extend(times)
            if isinstance(offsets, range):
                refs.extend(range(place + offsets.start, place + offsets.stop))
            else:
                refs.extend([place + offset for offset in offsets])
        for _, _, shelf, _ in self._ids:
            places.setdefault(shelf, len(places))
        self._held = 0
        nearest = min(chunks, key=lambda chunk: chunk.next_ms)
        first = nearest.first() if nearest.next_ms - now_ms >= FAR_MS else None
        if first is None:
            dues, refs = in_order(dues, refs)
        if self._write(list(places), dues, refs, self._ids, first):
            self._heap = [item for item in self._heap if isinstance(item[2], RunFile)]
            heapify(self._heap)
            self._ids = []

    def _write(
        self,
        shelves: Sequence[int],
        dues: array[int],
        refs: array[int],
        ids: Sequence[BatchId],
        first: Timer | None = None,
    ) -> bool:
        """Write a run, raw when told its first timer, and use it; False where the disk refuses: all is as before."""
        if self._disk is None:
            return False
        number, self._next_number = self._next_number, self._next_number + 1
        try:
            if not self._runs:
                self._disk.make_directory(self._directory)
            opened = self._opener(number)
            data = encode_run(shelves, dues, refs, ids)
            opened().write_at(0, [data])
            run = RunFile(number, opened, 0 if first is None else RAW, data, first)
        except (OSError, Damaged):
            self._gone.append(number)
            return False
        self._runs[number] = run
        self._unsynced.append(number)
        self._push(run)
        return True

    def _opener(self, number: int) -> Callable[[], File]:
        assert self._files is not None
        return partial(self._files.get, self._path(number))

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, run_name(number))


class _NoShelves:
    """Nothing waits, until an owner says so."""

    def is_waiting(self, shelf: int, offset: int) -> bool:  # noqa: ARG002
        return False

    def any_waiting(self, shelf: int, start: int, end: int) -> bool:  # noqa: ARG002
        return False


def _is_run_of(source: Chunk | RunFile, numbers: set[int]) -> bool:
    return isinstance(source, RunFile) and source.number in numbers
