"""The metrics of a node: read from the state when they are asked for; counted only what leaves no trace there.

Names of queues and groups are bounded: beyond the first so many, oldest first, they are summed as `(others)`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from openmessaging.broker.describe import describe_group
from openmessaging.broker.queue import Queue
from openmessaging.broker.runner import Runner
from openmessaging.broker.tally import Count, Tally
from openmessaging.model.spi import GroupInfo
from openmessaging.server.exposition import Family, Histogram, labels, single, text
from openmessaging.wire import software

OTHERS = "(others)"
BROADCAST = "(broadcast)"
"""In place of the names of groups that belong to one consumer each, and come and go with it."""
_SLICE = 0.001
"""Seconds after which others have their turn."""


class Metrics:
    """What a node counts, and what it tells.

    Args:
        max_series: most queues, and most groups, that are shown by their names.
    """

    def __init__(self, max_series: int = 500) -> None:
        self._max_series = max_series
        self.sends = Histogram()
        """Seconds from a request to store messages until it was answered."""
        self.syncs = Histogram()
        """Seconds that the log took to be written and synced."""
        self.errors: Counter[int] = Counter()
        """Requests refused, by code."""
        self.gauges: list[Callable[[], Iterable[Family]]] = []
        """What else is told: called at each reading."""
        self._runner: Runner | None = None
        self._tally = Tally()
        self._path = ""

    def watch(self, runner: Runner, path: str) -> None:
        """Tell about a store, which lies in a directory (empty: in memory)."""
        self._runner, self._path = runner, path
        runner.tally = self._tally
        runner.committer.observe = self.syncs.observe

    async def text(self) -> str:
        """What a scrape gets. It is gathered a little at a time, so that nobody waits for it."""
        parts: list[str] = []
        began = time.perf_counter()
        for family in self._gathered():
            if family is not None:
                parts.append(text(family))
            if time.perf_counter() - began > _SLICE:
                await asyncio.sleep(0)
                began = time.perf_counter()
        return "".join(parts)

    def _gathered(self) -> Iterator[Family | None]:
        """All families; None where there may be a pause."""
        yield from _process()
        yield self._errors()
        yield self.sends.family("oms_send_seconds", "Time until a request to store messages was answered")
        for more in self.gauges:
            yield from more()
        if self._runner is not None:
            yield self.syncs.family("oms_sync_seconds", "Time that a write of the log with its sync took")
            yield from self._store(self._runner)
            yield from self._queues(self._runner)
            yield from self._groups(self._runner)

    def _errors(self) -> Family:
        family = Family("oms_errors_total", "counter", "Requests refused, by the code of the standard")
        for code, count in sorted(self.errors.items()):
            family.add(count, {"code": str(code)})
        return family

    def _store(self, runner: Runner) -> Iterable[Family]:
        storage = runner.storage
        with runner.lock:
            engine = runner.engine
            counts = (len(engine.queues), len(engine.groups), len(engine.prepared.waiting))
            written = storage.max_position()
            stored = written - storage.min_position()
            segments = len(storage.segments())
        yield single("oms_queues", "gauge", "Queues", counts[0])
        yield single("oms_groups", "gauge", "Consumer groups", counts[1])
        yield single("oms_prepared_transactions", "gauge", "Prepared messages without a decision", counts[2])
        yield single("oms_store_bytes", "gauge", "Bytes of the log", stored)
        yield single("oms_store_segments", "gauge", "Files of the log", segments)
        yield single("oms_store_written_bytes_total", "counter", "Bytes ever written to the log", written)
        failed = int(runner.committer.failure is not None)
        yield single("oms_store_failed", "gauge", "1 when the log takes nothing any more", failed)
        if self._path:
            free = shutil.disk_usage(self._path).free
            yield single("oms_store_disk_free_bytes", "gauge", "Bytes that are free on the disk of the store", free)

    def _queues(self, runner: Runner) -> Iterator[Family | None]:
        with runner.lock:
            queues = list(runner.engine.queues.values())
        rows = [
            _Sums("oms_queue_messages", "gauge", "Messages that can be read"),
            _Sums("oms_queue_delayed_messages", "gauge", "Messages that are not due yet"),
            _Sums("oms_queue_stored_messages_total", "counter", "Messages ever stored, dead letters included"),
        ]
        for number, queue in enumerate(queues):
            shown = labels({"queue": queue.name if number < self._max_series else OTHERS})
            with runner.lock:
                values = _sizes(queue)
            for sums, value in zip(rows, values, strict=True):
                sums.add(shown, value)
            yield None
        for sums in rows:
            yield sums.family()

    def _groups(self, runner: Runner) -> Iterator[Family | None]:
        tally, contents = self._tally, runner.contents
        with runner.lock:
            groups = list(runner.engine.groups.values())
            for gone in tally.by_group.keys() - runner.engine.groups.keys():
                del tally.by_group[gone]
        rows = [_Sums(*each, worst=each[0].endswith("seconds")) for each in _GROUP]
        now_ms = runner.clock.now_ms()
        counted = 0
        for group in groups:
            queue, name = group.queue.name, BROADCAST
            if not group.config.broadcast:
                counted += 1
                if counted > self._max_series:
                    queue = OTHERS
                name = OTHERS if queue is OTHERS else group.name
            shown = labels({"queue": queue, "group": name})
            with runner.lock:
                if group.id not in runner.engine.groups:
                    continue
                values = _group(describe_group(group, contents), tally.by_group[group.id], now_ms)
            for sums, value in zip(rows, values, strict=True):
                sums.add(shown, value)
            yield None
        for sums in rows:
            yield sums.family()


def _sizes(queue: Queue) -> tuple[int, int, int]:
    stored = sum(partition.end for partition in queue.partitions)
    messages = sum(partition.visible - partition.start - partition.holes for partition in queue.partitions)
    return messages, sum(shelf.pending for shelf in queue.shelves.values()), stored


class _Sums:
    """A family whose samples of the same labels are one: their sum, or with `worst` their maximum."""

    def __init__(self, name: str, kind: Any, help: str, *, worst: bool = False) -> None:
        self._family = Family(name, kind, help)
        self._worst = worst
        self._values: dict[str, float] = {}

    def add(self, shown: str, value: float) -> None:
        before = self._values.get(shown, 0)
        self._values[shown] = max(before, value) if self._worst else before + value

    def family(self) -> Family:
        self._family.samples = [("", shown, value) for shown, value in self._values.items()]
        return self._family


_GROUP = (
    ("oms_group_lag_messages", "gauge", "Messages not settled, those in flight included"),
    ("oms_group_in_flight_messages", "gauge", "Messages in the hands of consumers"),
    ("oms_group_retrying_messages", "gauge", "Messages that wait for another attempt"),
    ("oms_group_oldest_message_age_seconds", "gauge", "Age of the oldest message that is not settled"),
    ("oms_group_expired_messages_total", "counter", "Messages that expired undelivered"),
    ("oms_group_received_messages_total", "counter", "Deliveries"),
    ("oms_group_redelivered_messages_total", "counter", "Deliveries that were not the first of their message"),
    ("oms_group_acknowledged_messages_total", "counter", "Messages acknowledged"),
    ("oms_group_dead_letters_total", "counter", "Messages that became dead letters"),
)


def _group(info: GroupInfo, count: Count, now_ms: int) -> tuple[float, ...]:
    """Values in the order of the table above."""
    age = 0.0 if info.oldest_ms is None else max(now_ms - info.oldest_ms, 0) / 1000
    known = (info.lag, info.in_flight, info.retrying, age, info.expired)
    return *known, count.received, count.redelivered, count.acknowledged, count.dead


def _process() -> Iterable[Family]:
    """About the process, under the names that everybody uses."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Family("oms_info", "gauge", "Versions", [("", labels({"software": software(), "python": python}), 1)])
    yield single("process_cpu_seconds_total", "counter", "CPU time, user and system", time.process_time())
    try:
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        files = len(os.listdir("/proc/self/fd"))
    except OSError:  # not Linux
        return
    yield single("process_resident_memory_bytes", "gauge", "Memory that is resident", resident)
    yield single("process_open_fds", "gauge", "Open files and sockets", files)
