"""Queues, groups and namespaces of a running store, and reading without a group: the slow paths of the SPI."""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.broker.describe import describe_group, describe_queue
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry, Lease, Trim
from openmessaging.broker.group import Group
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner, closed
from openmessaging.broker.wakeups import Wake
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Delivery, GroupInfo, QueueInfo, SubscriptionSpec


class Admin:
    """Resource operations on a runner; each change returns once it is durable."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    # ---- namespaces and queues -----------------------------------------------------------------------------------

    def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        self.runner.change(lambda engine, now_ms: engine.decide_create_namespace(now_ms, name))

    def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        self.runner.change(lambda engine, now_ms: engine.decide_delete_namespace(now_ms, name))

    def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        with self.runner.lock:
            self.runner.tick_locked()
            return sorted(self.runner.engine.namespaces)

    def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it is there, 1405 when its namespace is missing."""
        self.runner.change(lambda engine, now_ms: engine.decide_create_queue(now_ms, name, partitions, config))

    def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change settings; raises 1404 when missing."""
        self.runner.change(lambda engine, now_ms: engine.decide_update_queue(now_ms, name, config))

    def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""
        runner = self.runner
        with runner.lock:
            partitions = [partition.id for partition in runner.engine.queue(name).partitions]
        runner.change(lambda engine, now_ms: engine.decide_delete_queue(now_ms, name))
        with runner.lock:
            runner.readers.fire(partitions)  # they learn that it is gone
            for partition_id in partitions:
                runner.indexes.drop(partition_id)

    def purge_queue(self, name: str) -> int:
        """Drop all messages; returns how many. Raises 1404 when missing."""
        runner = self.runner
        trims: list[Trim] = []
        starts: dict[int, int] = {}

        def decide(engine: Engine, now_ms: int) -> Entry:
            starts.update((partition.id, partition.start) for partition in engine.queue(name).partitions)
            entry = engine.decide_purge(now_ms, name)
            trims.extend(operation for operation in entry.operations if isinstance(operation, Trim))
            return entry

        runner.change(decide)
        for trim in trims:
            runner.indexes.trim(trim.partition_id, trim.start)
        return sum(trim.start - starts[trim.partition_id] for trim in trims)

    def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted. Raises 1405 when the namespace is missing."""
        with self.runner.lock:
            self.runner.tick_locked()
            engine = self.runner.engine
            engine.check_namespace(namespace)
            return sorted(name for name in engine.queues if name.startswith(f"{namespace}://"))

    def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""
        with self.runner.lock:
            self.runner.tick_locked()
            return describe_queue(self.runner.engine.queue(name))

    def ensure_queue(self, name: str) -> int:
        """Number of partitions of a queue, created on first use where that is on. Raises 1404, 1405."""
        engine = self.runner.engine
        queue = engine.queues.get(name)
        if queue is None:
            self.runner.change(lambda engine, now_ms: engine.decide_require_queue(now_ms, name))
            queue = engine.queue(name)
        return len(queue.partitions)

    # ---- groups --------------------------------------------------------------------------------------------------

    def join(self, spec: SubscriptionSpec) -> Group:
        """The group of a subscription, made when missing. Raises 1404 for a queue that may not be created."""
        self.ensure_queue(spec.destination)
        runner = self.runner
        config = msgspec.structs.replace(spec.config, broadcast=spec.broadcast)
        group = runner.engine.queue(spec.destination).groups.get(spec.group)
        if group is None:
            starts = self._offsets(spec.destination, spec.config.start)
            runner.change(
                lambda engine, now_ms: engine.decide_create_group(now_ms, spec.destination, spec.group, config, starts)
            )
        elif spec.update and group.config != config:
            runner.change(
                lambda engine, now_ms: engine.decide_update_group(
                    now_ms, spec.destination, spec.group, msgspec.to_builtins(config)
                )
            )
        return runner.engine.queue(spec.destination).groups[spec.group]

    def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue. Raises 1404 when the queue is missing."""
        with self.runner.lock:
            self.runner.tick_locked()
            engine = self.runner.engine
            queues = engine.queues.values() if queue is None else [engine.queue(queue)]
            names = [(found.name, group) for found in queues for group in found.groups]
        return [self.describe_group(name, group) for name, group in sorted(names)]

    def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        with self.runner.lock:
            self.runner.tick_locked()
            return describe_group(self.runner.engine.group(queue, group), self.runner.contents)

    def seek_group(self, queue: str, group: str, to: str) -> None:
        """Move a group to `earliest`, `latest`, `offset:<n>` or `ts:<ms>`; its leases end."""
        offsets = self._offsets(queue, to)
        self.runner.change(lambda engine, now_ms: engine.decide_seek(now_ms, engine.group(queue, group), offsets))

    def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        self.runner.change(lambda engine, now_ms: engine.decide_delete_group(now_ms, queue, group))

    # ---- reading without a group -----------------------------------------------------------------------------------

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
            if start >= end:
                if wake is not None:
                    runner.readers.add(found.id, wake)
                return []
            lease = Lease(0, 0, found.id, start, end, 1, 0)
            spans = runner.contents.spans(lease)
        return runner.contents.deliveries(destination, partition, lease, spans, {})

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
            span = runner.contents.spans(Lease(0, 0, found.id, last, last + 1, 1, 0))
            lease = Lease(0, 0, found.id, max(span[0].base_offset, found.start), last + 1, 1, 0)
        return runner.contents.deliveries(destination, partition, lease, span, {})[0]

    def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time; the next one to be written when there is none."""
        with self.runner.lock:
            return self._at_time(self._partition(destination, partition), timestamp_ms)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _partition(self, destination: str, number: int) -> Partition:
        if self.runner.closed:
            raise closed()
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
