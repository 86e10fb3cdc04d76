"""Decisions about namespaces, queues and groups. Each validates against the state and returns the entry that does it.

Source: specification 1.0.0, "resource manager"; code table of the HTTP binding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openmessaging.broker import dead_letter, ranges
from openmessaging.broker import entry as ops
from openmessaging.broker.draft import Draft, Limits, no_namespace, queue_named
from openmessaging.broker.entry import AnyOperation, Entry
from openmessaging.broker.group import Group
from openmessaging.broker.queue import Queue
from openmessaging.broker.queue import check_config as check_queue_config
from openmessaging.broker.state import Contents, State, merged
from openmessaging.filters import compile_condition
from openmessaging.model.errors import error
from openmessaging.model.spi import GroupConfig

_MAX_BURIED = 10_000
"""Most dead letters of one release of all leases; what is beyond gets another delivery."""


class Administration(State):
    """Everything about resources."""

    contents: Contents
    limits: Limits

    def decide_create_namespace(self, now_ms: int, name: str) -> Entry:
        """Raises 1407 when it is there, 1417 at the maximum."""
        if name in self.namespaces:
            raise error(1407, f"the namespace {name} is there already", next_step="Use it, or choose another name")
        if len(self.namespaces) >= self.limits.max_namespaces:
            text = f"there are {self.limits.max_namespaces:,} namespaces"
            raise error(1417, text, next_step="Delete one that is not needed")
        return Entry(now_ms, (ops.CreateNamespace(name),))

    def decide_delete_namespace(self, now_ms: int, name: str) -> Entry:
        """Raises 1405 when missing, 1400 when it has queues."""
        self.check_namespace(name)
        count = sum(queue.namespace == name for queue in self.queues.values())
        if count:
            raise error(1400, f"the namespace {name} has {count} queue(s)", next_step="Delete them first")
        return Entry(now_ms, (ops.DeleteNamespace(name),))

    def check_namespace(self, name: str) -> None:
        """Raises 1405 when a namespace is missing."""
        if name not in self.namespaces:
            raise no_namespace(name)

    def decide_create_queue(self, now_ms: int, name: str, partitions: int, config: dict[str, Any]) -> Entry:
        """Raises 1406 when it is there, 1405 without its namespace, 1416 at the maximum, 1418 for a bad number."""
        draft = Draft(self, self.limits, now_ms)
        draft.create_queue(name, partitions, config)
        return draft.entry()

    def decide_require_queue(self, now_ms: int, name: str) -> Entry | None:
        """None when the queue is there, else what creates it on first use. Raises 1404, 1405, 1416."""
        draft = Draft(self, self.limits, now_ms)
        draft.require_queue(name)
        return draft.entry() if draft.operations else None

    def decide_update_queue(self, now_ms: int, name: str, config: dict[str, Any]) -> Entry:
        """Change the given settings. Raises 1404 when missing, 1418 for bad settings."""
        queue = self.queue(name)
        check_queue_config({**queue.config, **config})
        if queue.compact and not config.get("compact", True):
            text = f"{name} is compacted, that cannot be taken back"
            raise error(1418, text, next_step="Copy it to another queue", field="compact")
        if config.get("compact") and queue.lanes:
            text = f"{name} has messages of several priorities, and so no newest one of a key"
            raise error(1418, text, next_step="Create another queue with compact", field="compact")
        return Entry(now_ms, (ops.UpdateQueue(queue.id, config),))

    def decide_delete_queue(self, now_ms: int, name: str) -> Entry:
        """Its groups go with it; their dead-letter queues stay, for what lies there was not handled. Raises 1404, and
        1400 for a queue that a route reads or fills."""
        self.routes.check_unused(name)
        return Entry(now_ms, (ops.DeleteQueue(self.queue(name).id),))

    def decide_purge(self, now_ms: int, name: str) -> Entry:
        """Drop all messages that are durable, the delayed ones too. Raises 1404 when missing."""
        queue = self.queue(name)
        trims = [ops.Trim(each.id, each.visible) for each in (*queue.partitions, *queue.shelves.values())]
        return Entry(now_ms, trims)

    def decide_trim(self, now_ms: int, starts: dict[int, int]) -> Entry:
        """Drop messages below an offset per partition id (retention); never more than is durable. Raises 1404."""
        trims: list[AnyOperation] = []
        for partition_id, start in starts.items():
            partition = self.partitions.get(partition_id)
            if partition is None:
                raise error(1404, f"there is no partition with the id {partition_id}")
            if start > partition.start:
                trims.append(ops.Trim(partition_id, min(start, partition.visible)))
        return Entry(now_ms, trims)

    def decide_create_group(
        self, now_ms: int, queue: str, name: str, config: GroupConfig, starts: Sequence[int] | None = None
    ) -> Entry:
        """Join a group: no operation when it is there (its settings win), else it begins at `config.start`, or at
        `starts` per partition, which a time needs. Creates the queue on first use.

        Raises 1404, 1405, 1416, and 1418 for bad settings.
        """
        found = self.queues.get(queue)
        if found is not None and name in found.groups:
            return Entry(now_ms)
        check_config(config)
        draft = Draft(self, self.limits, now_ms)
        if found is None:
            draft.require_queue(queue)
            queue_id, offsets = self.next_queue_id, [0] * draft.partitions(queue)
        else:
            queue_id, offsets = found.id, place(found, config.start if starts is None else starts)
        builtins = msgspec.to_builtins(config)
        draft.operations.append(ops.CreateGroup(queue_id, self.next_group_id, name, builtins, offsets))
        return draft.entry()

    def decide_update_group(self, now_ms: int, queue: str, name: str, config: dict[str, Any]) -> Entry:
        """Change the given settings. Raises 1404 when missing, 1418 for bad settings and for another order."""
        group = self.group(queue, name)
        try:
            new = merged(group.config, config)
        except msgspec.ValidationError as cause:
            raise error(1418, f"settings of group {name}: {cause}") from cause
        check_config(new)
        if new.order != group.config.order:
            text = f"group {name} has the order {group.config.order!r}, it cannot change"
            raise error(1418, text, next_step="Delete the group and create it anew", field="order")
        return Entry(now_ms, (ops.UpdateGroup(group.id, config),))

    def decide_delete_group(self, now_ms: int, queue: str, name: str) -> Entry:
        """Its dead-letter queue stays. Raises 1404 when missing, 1418 for the group of a route."""
        group = self.group(queue, name)
        self.routes.check_free(group.id)
        return Entry(now_ms, (ops.DeleteGroup(group.id),))

    def decide_seek(self, now_ms: int, group: Group, to: str | Sequence[int | None]) -> Entry:
        """Move a group to `earliest`, `latest` or `offset:<n>` in every partition, or to an offset per partition (None:
        it stays), each brought between the partition's start and end. Its leases in what moves end: acks of old
        receipts get 1418.

        Raises 1418 for anything else.
        """
        if isinstance(to, str):
            wanted: Sequence[int | None] = place(group.queue, to)
        else:
            offsets = place(group.queue, [0 if offset is None else offset for offset in to])
            given = [*to, *[None] * (len(offsets) - len(to))]  # lanes made since the offsets were looked up stay
            wanted = [None if each is None else offset for each, offset in zip(given, offsets, strict=True)]
        cursors = zip(group.cursors, wanted, strict=True)
        moves = [(cursor.partition.id, offset) for cursor, offset in cursors if offset is not None]
        return Entry(now_ms, [ops.Seek(group.id, partition_id, offset) for partition_id, offset in moves])

    def decide_release_all(self, now_ms: int) -> Entry | None:
        """After a start: the holders of all leases died, but those in other processes. Messages are visible at once
        with their attempt counted; those on their last attempt become dead letters in the same entry. None without
        such leases."""
        over = [lease for lease in self.leases.values() if not lease.outside]
        if not over:
            return None
        draft = Draft(self, self.limits, now_ms)
        buried = 0
        for lease in over:
            if lease.attempt >= lease.group.config.backoff.max_delivery and buried < _MAX_BURIED:
                spans = ranges.pairs(lease.left)
                if (
                    dead_letter.bury(draft, self.contents, lease, spans, "the process that held the lease ended")
                    is None
                ):
                    draft.operations.append(ops.Settle(lease.id))
                    buried += sum(end - start for start, end in spans)
        draft.operations.append(ops.ReleaseAll(len(over) < len(self.leases)))
        return draft.entry()

    def queue(self, name: str) -> Queue:
        """A queue by its full name. Raises 1404."""
        return queue_named(self, name)

    def group(self, queue: str, name: str) -> Group:
        """A group of a queue. Raises 1404 when either is missing."""
        group = self.queue(queue).groups.get(name)
        if group is None:
            raise error(1404, f"{queue} has no consumer group {name}", next_step="See `oms group list`")
        return group


def place(queue: Queue, to: str | Sequence[int]) -> list[int]:
    """An offset per partition for a position (see `decide_seek`), between start and end of each. Raises 1418."""
    partitions = queue.partitions
    if to == "earliest":
        return [partition.start for partition in partitions]
    if to == "latest":
        return [partition.end for partition in partitions]
    if isinstance(to, str):
        kind, _, number = to.partition(":")
        if kind != "offset" or not number.isascii() or not number.isdigit():
            text = f"{to!r} is no position here"
            raise error(1418, text, next_step="Give earliest, latest, offset:<n> or ts:<ms>", field="start")
        to = [int(number)] * len(partitions)
    if not queue.count <= len(to) <= len(partitions):
        raise error(1418, f"{len(to)} offsets for {len(partitions)} partitions", field="start")
    given = [*to, *(lane.start for lane in partitions[len(to) :])]  # lanes made since the offsets were looked up
    return [min(max(offset, each.start), each.end) for offset, each in zip(given, partitions, strict=True)]


def check_config(config: GroupConfig) -> None:
    """Raises 1418 naming the first setting of a group that is out of range."""
    rule = config.backoff
    for field, value, good, want in (
        ("order", config.order, config.order in ("none", "key"), "none or key"),
        (
            "invisible_time",
            config.invisible_time,
            0 < config.invisible_time <= MAX_SECONDS,
            "over 0 and at most a year",
        ),
        ("backoff.initial", rule.initial, 0 <= rule.initial <= MAX_SECONDS, "from 0 to a year"),
        ("backoff.factor", rule.factor, 1 <= rule.factor <= 1e6, "from 1 to 1,000,000"),
        ("backoff.maximum", rule.maximum, 0 <= rule.maximum <= MAX_SECONDS, "from 0 to a year"),
        ("backoff.jitter", rule.jitter, 0 <= rule.jitter <= 1, "from 0 to 1"),
        ("backoff.max_delivery", rule.max_delivery, rule.max_delivery >= 1, "at least 1"),
    ):
        if not good:
            raise error(1418, f"{field}: {value!r} is not {want}", field=field)
    if config.filter:
        compile_condition(config.filter)


MAX_SECONDS = 366 * 86_400.0
"""Longest invisible time, delay or back-off, in seconds."""
