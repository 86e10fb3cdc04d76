"""Looking at what is stored without taking it: by offset, by time, and what a group would get next."""

from __future__ import annotations

from msgspec.structs import replace

from openmessaging.broker import filtering
from openmessaging.broker.entry import Lease
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.broker.wakeups import Wake
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Delivery
from openmessaging.storage.index import IndexEntry


class Looking:
    """Reads of a running store that change nothing."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def browse(
        self, destination: str, partition: int, offset: int, max_messages: int, wake: Wake | None
    ) -> list[Delivery]:
        """Messages from an offset (clamped to the first there is); with none there, `wake` is called once when there
        may be some. Raises 1404 for a missing queue, 1418 for a missing partition."""
        runner = self.runner
        with runner.lock:
            found = self._partition(destination, partition)
            start = max(offset, found.start)
            end = min(found.visible, start + max_messages)
            if start < found.compacted:
                end, holes = runner.contents.live(found.id, start, found.visible, max_messages)
                if holes == [(start, end)]:
                    start = end
            if start >= end:
                if wake is not None:
                    runner.readers.add(found.id, wake)
                return []
            lease = Lease(0, 0, found.id, start, end, 1, 0)
            spans = runner.contents.spans(lease)
        return self._read(destination, partition, lease, spans)

    def forget_browser(self, destination: str, partition: int, wake: Wake) -> None:
        """Take back a registration of `browse`."""
        with self.runner.lock:
            queue = self.runner.engine.queues.get(destination)
            if queue is not None and partition < len(queue.partitions):  # it may have been created anew
                self.runner.readers.forget(queue.partitions[partition].id, wake)

    def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The batch that holds the message before an offset, up to that message; None at the beginning."""
        runner = self.runner
        with runner.lock:
            found = self._partition(destination, partition)
            last = min(offset, found.visible) - 1
            if last < found.start:
                return None
            first = runner.contents.before(found.id, last + 1)
            if first is None:
                return None
            lease = Lease(0, 0, found.id, max(first, found.start), last + 1, 1, 0)
            spans = runner.contents.spans(lease)
        return self._read(destination, partition, lease, spans)[-1]

    def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time; the next one to be written when there is none."""
        with self.runner.lock:
            return self._at_time(self._partition(destination, partition), timestamp_ms)

    def peek(self, queue: str, group: str, max_messages: int, max_bytes: int) -> list[Delivery]:
        """What the group's next receive would get, without taking it (lease_id 0). Raises 1404."""
        runner = self.runner
        with runner.lock:
            leases: list[Lease] = []
            entry = None
            while not leases and (entry is None or entry.operations):
                if entry is not None:  # what was looked at does not match the group's condition
                    runner.stage_locked(entry)
                now_ms = runner.tick_locked()
                found = runner.engine.group(queue, group)
                turn = found.turn
                entry = runner.engine.decide_receive(now_ms, found, max_messages, runner.contents.reach(max_bytes))
                found.turn = turn  # nothing was handed out, so it is nobody's turn
                leases = [replace(each, lease_id=0) for each in filtering.leases(entry)]
            places = [(lease, runner.contents.spans(lease)) for lease in leases]
            numbers = {lease.partition_id: runner.engine.partitions[lease.partition_id].number for lease in leases}
        return [
            delivery
            for lease, spans in places
            for delivery in self._read(queue, numbers[lease.partition_id], lease, spans)
        ]

    def _read(self, destination: str, partition: int, lease: Lease, spans: list[IndexEntry]) -> list[Delivery]:
        contents = self.runner.contents
        try:
            return contents.deliveries(destination, partition, lease, spans, {})
        except OMSRuntimeException:
            with self.runner.lock:  # a segment may have gone meanwhile and its messages moved: look again, once
                spans = contents.spans(lease)
            return contents.deliveries(destination, partition, lease, spans, {})

    def _partition(self, destination: str, number: int) -> Partition:
        if self.runner.closed is not None:
            raise self.runner.closed
        partitions = self.runner.engine.queue(destination).partitions
        if not 0 <= number < len(partitions):
            raise OMSRuntimeException(
                1418, f"{destination} has no partition {number}", next_step=f"Use 0 to {len(partitions) - 1}"
            )
        return partitions[number]

    def _at_time(self, partition: Partition, timestamp_ms: int) -> int:
        entry = self.runner.indexes.find_time(partition.id, timestamp_ms)
        return partition.visible if entry is None else max(entry.base_offset, partition.start)

    def _offsets(self, destination: str, position: str) -> list[int]:
        """A position as an offset per partition. Raises 1418 for one that cannot be read."""
        with self.runner.lock:
            queue = self.runner.engine.queue(destination)
            return [self._offset(partition, position) for partition in queue.partitions]

    def _offset(self, partition: Partition, position: str) -> int:
        kind, _, value = position.partition(":")
        if kind == "earliest":
            return partition.start
        if kind == "latest":
            return partition.visible
        if kind in ("offset", "ts") and value.isascii() and value.isdigit():
            if kind == "ts":
                return self._at_time(partition, int(value))
            return min(max(int(value), partition.start), partition.visible)
        raise OMSRuntimeException(
            1418, f"{position!r} is no position", next_step="Use earliest, latest, offset:<n> or ts:<ms>"
        )
