"""How many bytes of a store certain queues hold: what they still need, as retention sees it."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner


class StoredBytes:
    """Goes on from what it counted last: a count costs as much as what has come and gone since. For one thread."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._windows: dict[int, tuple[int, int, int]] = {}
        """By partition: the offsets that were counted, from and to, and their bytes."""

    def of(self, wanted: Callable[[str], bool]) -> int:
        """Bytes of encoded batches in the queues whose full names are wanted, up to what all groups have consumed where
        that may go."""
        runner = self._runner
        with runner.lock:
            queues = [queue for queue in runner.engine.queues.values() if wanted(queue.name)]
            found = [(each.id, _first_needed(each), each.end) for queue in queues for each in queue.partitions]
            found += [(each.id, each.floor, each.end) for queue in queues for each in queue.shelves.values()]
            self._windows = {number: of for number, of in self._windows.items() if number in runner.engine.partitions}
        return sum(self._count(*each) for each in found)

    def _count(self, number: int, first: int, end: int) -> int:
        find = self._runner.indexes.find
        start, counted, held = self._windows.get(number, (first, first, 0))
        if start > first:  # sought back
            start = counted = first
            held = 0
        while start < first:
            entry = find(number, start)
            if entry is None or counted < first:  # what was counted is not there any more
                start = counted = first
                held = 0
            elif entry.base_offset + entry.count > first:
                break
            else:
                held -= entry.size
                start = entry.base_offset + entry.count
        while counted < end and (entry := find(number, counted)) is not None:
            held += entry.size
            counted = entry.base_offset + entry.count
        self._windows[number] = start, counted, held
        return held


def _first_needed(partition: Partition) -> int:
    queue = partition.queue
    if queue.config.get("retention", "consumed") == "consumed" and queue.groups and not queue.compact:
        return max(partition.start, partition.consumed_before())
    return partition.start
