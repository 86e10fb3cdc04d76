"""Queues, groups and namespaces of a running store: the slow paths of the SPI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from openmessaging.broker import delays, schedules
from openmessaging.broker.describe import describe_group, describe_queue
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry, Trim
from openmessaging.broker.group import Group
from openmessaging.broker.route_admin import RouteAdmin
from openmessaging.broker.totals import QueueTotals, totals
from openmessaging.filters import compile_condition
from openmessaging.model.errors import error
from openmessaging.model.schedule import ScheduleInfo, ScheduleSpec
from openmessaging.model.spi import DelayedInfo, GroupInfo, QueueInfo, SubscriptionSpec


class Admin(RouteAdmin):
    """Resource operations on a runner; each change returns once it is durable."""

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
        """Change settings; raises 1404 when missing, 1418 for a wrong setting."""
        if config.get("filter"):
            compile_condition(config["filter"])  # while nobody waits: it may load the parser
        self.runner.change(lambda engine, now_ms: engine.decide_update_queue(now_ms, name, config))

    def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""
        runner = self.runner
        partitions: list[int] = []

        def decide(engine: Engine, now_ms: int) -> Entry:
            queue = engine.queue(name)
            partitions.extend(partition.id for partition in (*queue.partitions, *queue.shelves.values()))
            return engine.decide_delete_queue(now_ms, name)

        runner.change(decide)
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
            queue = engine.queue(name)
            starts.update((each.id, each.start) for each in queue.partitions)
            starts.update((each.id, each.end - each.pending) for each in queue.shelves.values())
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

    def totals(self) -> list[QueueTotals]:
        """What each queue has stored and settled so far, and what waits."""
        with self.runner.lock:
            return totals(self.runner.engine.queues.values())

    def ensure_queue(self, name: str) -> int:
        """Number of partitions of a queue, created on first use where that is on. Raises 1404, 1405."""
        engine = self.runner.engine
        queue = engine.queues.get(name)
        if queue is None:
            self.runner.change(lambda engine, now_ms: engine.decide_require_queue(now_ms, name))
            queue = engine.queue(name)
        return queue.count

    # ---- delayed messages ----------------------------------------------------------------------------------------

    def cancel_delayed(self, name: str, message_id: str) -> bool:
        """Take a delayed message back; False when it is too late. Raises 1404, 1418 for what is no id."""
        return self._changed(lambda engine, now_ms: delays.decide_cancel(engine, now_ms, name, message_id))

    def reschedule_delayed(self, name: str, message_id: str, due_ms: int) -> bool:
        """Let a delayed message be due at another time; as `cancel_delayed`."""
        return self._changed(lambda engine, now_ms: delays.decide_reschedule(engine, now_ms, name, message_id, due_ms))

    def list_delayed(self, name: str, maximum: int) -> list[DelayedInfo]:
        """Delayed messages of a queue, at most so many. Raises 1404."""
        with self.runner.lock:
            self.runner.tick_locked()
            return delays.delayed(self.runner.engine, name, maximum)

    def _changed(self, decide: Callable[[Engine, int], Entry | None]) -> bool:
        """Whether there was something to decide; what is due by now is fired first."""
        with self.runner.lock:
            self.runner.tick_locked()
        done: list[bool] = []

        def decided(engine: Engine, now_ms: int) -> Entry | None:
            entry = decide(engine, now_ms)
            done.append(entry is not None)
            return entry

        self.runner.change(decided)
        return done[0]

    # ---- schedules -----------------------------------------------------------------------------------------------

    def create_schedule(self, spec: ScheduleSpec, replace: bool) -> ScheduleInfo:
        """Create a schedule, or with `replace` change the one of its name. Raises 1404, 1405, 1413, 1416, 1418."""
        self.runner.change(lambda engine, now_ms: engine.decide_create_schedule(now_ms, spec, replace))
        return self._rescheduled(spec.name)

    def pause_schedule(self, name: str, paused: bool) -> ScheduleInfo:
        """Pause a schedule, or let it go on; what is due by now is sent first. Raises 1404."""
        self._changed(lambda engine, now_ms: schedules.decide_pause(engine, now_ms, name, paused))
        return self._rescheduled(name)

    def delete_schedule(self, name: str) -> None:
        """Delete a schedule; what is due by now is sent first. Raises 1404."""
        self._changed(lambda engine, now_ms: schedules.decide_delete(engine, now_ms, name))

    def list_schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name."""
        with self.runner.lock:
            self.runner.tick_locked()
            timetable = self.runner.engine.timetable
            return [timetable.info(name) for name in sorted(timetable.by_name)]

    def _rescheduled(self, name: str) -> ScheduleInfo:
        """A schedule after a change; upkeep is told, for it may be due soon."""
        with self.runner.lock:
            self.runner.alarm.on_soon()
            schedules.named(self.runner.engine, name)
            return self.runner.engine.timetable.info(name)

    # ---- groups --------------------------------------------------------------------------------------------------

    def join(self, spec: SubscriptionSpec) -> Group:
        """The group of a subscription, made when missing. Raises 1404 for a queue that may not be created, 1418 for a
        filter that is wrong, or that is not the group's (None: the group's, whatever it is)."""
        text = spec.config.filter
        if text:
            compile_condition(text)  # while nobody waits: it may load the parser
        self.ensure_queue(spec.destination)
        runner = self.runner
        config = msgspec.structs.replace(spec.config, broadcast=spec.broadcast, filter=text or None)
        group = runner.engine.queue(spec.destination).groups.get(spec.group)
        if group is None:
            starts = self._offsets(spec.destination, spec.config.start)
            runner.change(
                lambda engine, now_ms: engine.decide_create_group(now_ms, spec.destination, spec.group, config, starts)
            )
        elif spec.update and group.config != config:
            runner.engine.routes.check_free(group.id)
            runner.change(
                lambda engine, now_ms: engine.decide_update_group(
                    now_ms, spec.destination, spec.group, msgspec.to_builtins(config)
                )
            )
        elif text is not None and config.filter != group.config.filter:
            have = f"has the filter {group.config.filter!r}" if group.config.filter else "has no filter"
            step = "Leave the filter out to use the group's, pass update=True to change it, or use another group"
            raise error(1418, f"filter: the group {spec.group} {have}", next_step=step, field="filter")
        group = runner.engine.queue(spec.destination).groups[spec.group]
        runner.engine.routes.check_free(group.id, joining=True)
        group.condition()  # that of the queue, too
        return group

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

    def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group to `earliest`, `latest`, `offset:<n>` or `ts:<ms>`, or to an offset per partition (None: it
        stays where it is); its leases in what moves end. Raises 1404, 1418."""
        offsets = self._offsets(queue, to) if isinstance(to, str) else to
        self.runner.change(lambda engine, now_ms: engine.decide_seek(now_ms, engine.group(queue, group), offsets))

    def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        self.runner.change(lambda engine, now_ms: engine.decide_delete_group(now_ms, queue, group))
