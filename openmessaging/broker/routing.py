"""Routes, decided: made, removed, and taken one step further, each in one entry.

A step receives for the route's group as any consumer would, forwards what the operators let pass, and settles it: the
log has all of that or nothing. Routes with functions take their steps elsewhere, see `runtime/aio/router.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.broker import dead_letter, expiry, filtering, ranges
from openmessaging.broker.draft import Draft
from openmessaging.broker.entry import (
    CreateGroup,
    CreateRoute,
    DeleteGroup,
    DeleteRoute,
    Entry,
    Routed,
    Select,
    Settle,
    Skip,
)
from openmessaging.broker.forwarding import Forwarding, Member, Piece, changed_record, members_of, pieces
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.matching import facts_of, provided
from openmessaging.broker.partition import Partition
from openmessaging.broker.reception import Bound
from openmessaging.broker.route import StoredRoute, near
from openmessaging.model.batch import decode
from openmessaging.model.errors import error
from openmessaging.model.message import Record
from openmessaging.model.routing import Route, RouteInfo
from openmessaging.model.spi import GroupConfig
from openmessaging.routing.checking import check_route
from openmessaging.routing.hops import with_hop
from openmessaging.routing.leading import leading_filter
from openmessaging.routing.steps import Subject

if TYPE_CHECKING:
    from openmessaging.broker.engine import Engine

MAX_ROUTES = 1_000
"""Routes of a store."""
MAX_MESSAGES = 2_000
"""Messages of one step."""
MAX_BYTES = 1 << 20
"""Bytes of the batches that one step looks at, unless the first has more."""
MAX_ENTRY_BYTES = 32 << 20
"""Bytes that one step sends, unless a single message is more; the log takes twice that in one entry."""


def decide_create(engine: Engine, now_ms: int, route: Route, start: str, starts: Sequence[int] | None) -> Entry:
    """Add a route, its group and the queues that are missing; `starts` per partition of a source that is there.

    Raises 1406 when it is there, 1404, 1405, 1416 for queues, 1418 as `check_route`, for a name that a group has, and
    at the maximum.
    """
    if route.name in engine.routes.by_name:
        raise error(1406, f"the route {route.name} is there already", next_step="Delete it first: oms route delete")
    if len(engine.routes.by_name) >= MAX_ROUTES:
        raise error(1418, f"there are {MAX_ROUTES:,} routes", next_step="Delete those that are not needed")
    check_route(route, [each.definition for each in engine.routes.by_name.values()])
    source = engine.queues.get(route.source)
    if source is not None and route.group in source.groups:
        step = "Delete the group, or give the route another name"
        raise error(1418, f"{route.source} has a group {route.group}", next_step=step, field="name")
    draft = Draft(engine, engine.limits, now_ms)
    draft.require_queue(route.source)  # first: its id is the next
    for target in route.targets:
        draft.require_queue(target)
    config = GroupConfig(
        start,
        "key" if route.functions else "none",
        backoff=route.backoff,
        filter=leading_filter(route.operators),
    )
    queue_id = engine.next_queue_id if source is None else source.id
    count = draft.partitions(route.source) if source is None else len(source.partitions)
    offsets = [*(starts or ()), *[0] * count][:count]  # lanes made since the offsets were looked up: from their start
    group_id = engine.next_group_id
    draft.operations.append(CreateGroup(queue_id, group_id, route.group, msgspec.to_builtins(config), offsets))
    draft.operations.append(CreateRoute(msgspec.to_builtins(route), group_id))
    return draft.entry()


def decide_delete(engine: Engine, now_ms: int, name: str) -> Entry:
    """Remove a route with its group; its queues stay. Raises 1404."""
    route = route_named(engine, name)
    return Entry(now_ms, (DeleteRoute(name), DeleteGroup(route.group_id)))


def route_named(engine: Engine, name: str) -> StoredRoute:
    """A route by its full name. Raises 1404."""
    route = engine.routes.by_name.get(name)
    if route is None:
        raise error(1404, f"there is no route {name}", next_step="See `oms route list`")
    return route


def describe(engine: Engine, route: StoredRoute) -> RouteInfo:
    """A route as it is shown."""
    group = engine.groups[route.group_id]
    counts = route.routed, route.dropped, route.dead
    return RouteInfo(route.definition, group.name, group.lag(), *counts, group.dead_letter_queue, route.trouble)


def decide_step(engine: Engine, route: StoredRoute, now_ms: int, bound: Bound, messages: int) -> Entry:
    """Take the next messages through a route, at most so many; no operation when there is nothing.

    Raises OMSRuntimeException 1501 for damage in the log.
    """
    step = _Step(engine, route, now_ms, messages, bound)
    step.run()
    if step.forwarding.bytes > MAX_ENTRY_BYTES and messages > 1:
        return decide_step(engine, route, now_ms, bound, messages // 2)
    return step.draft.entry()


class _Step:
    """One step in the making."""

    def __init__(self, engine: Engine, route: StoredRoute, now_ms: int, messages: int, bound: Bound) -> None:
        self._engine = engine
        self._route = route
        self._group = engine.groups[route.group_id]
        self._reception = engine.receive(now_ms, self._group, messages, bound)
        self.draft = Draft(engine, engine.limits, now_ms)
        self.forwarding = Forwarding(self.draft, engine, route.definition)
        self._compact = [name for name in route.definition.targets if engine.queues[name].compact]
        self._steps = route.prepare()
        self._plain = not (self._steps or self._compact or route.definition.trace)
        self._fresh: dict[bytes, int] = {}
        self._routed = self._dropped = self._dead = 0
        self._store_ms = 0

    def run(self) -> None:
        """Decide everything."""
        engine, draft, operations = self._engine, self.draft, self._reception.operations
        if not operations:
            return
        self._dropped = sum(self._passed_over(each) for each in operations if isinstance(each, Select | Skip))
        draft.operations += operations
        expiry.add_copies(engine, draft, self._group)
        leases = filtering.leases(Entry(draft.now_ms, operations))
        for partition_id, some in groupby(leases, attrgetter("partition_id")):
            partition = engine.partitions[partition_id]
            for piece in pieces(engine.contents, partition, [(lease.start, lease.end) for lease in some]):
                if self._plain and self.forwarding.forward_whole(piece):
                    self._routed += piece.header.count
                else:
                    self._look(piece)
        self.forwarding.finish()
        for lease_id in dict.fromkeys(lease.lease_id for lease in leases):
            draft.operations.append(Settle(lease_id))
        seen: dict[int, bytes] = {}
        for digest, store_ms in self._fresh.items():
            seen[store_ms] = seen.get(store_ms, b"") + digest
        counts = self._routed, self._dropped, self._dead
        draft.operations.append(Routed(self._route.definition.name, *counts, list(seen.items())))

    def _passed_over(self, operation: Select | Skip) -> int:
        """How many messages the group's condition held back."""
        if isinstance(operation, Skip):
            return sum(end - start for start, end in operation.ranges)
        return operation.end - self._group.by_partition[operation.partition_id].next - ranges.size(operation.found)

    def _look(self, piece: Piece) -> None:
        """Take the messages of a piece through the operators, one by one."""
        _, shared, records = decode(piece.data)
        if self._steps:
            self._store_ms = self._engine.contents.store_ms(piece.partition.id, piece.base + piece.spans[0][0])
        kept: list[Member] = []
        if self._plain:
            kept = [Member(position, record, None) for position, record in members_of(piece, records)]
        else:
            facts = Facts(piece, shared, self._store_ms)
            for position, record in members_of(piece, records):
                facts.at(position, record)
                subject = Subject(record.message_key, record.properties, facts)
                if self._goes_on(subject, piece, position):
                    kept.append(Member(position, changed_record(record, subject), subject))
        self._routed += len(kept)
        if kept:
            self.forwarding.forward(piece, kept, shared)

    def _goes_on(self, subject: Subject, piece: Piece, position: int) -> bool:
        """Whether a message passes; else it is counted, and buried where no target can take it."""
        for step in self._steps:
            if not step(subject, self._seen):
                self._dropped += 1
                break
        else:
            offset = piece.base + position
            if self._compact and subject.key is None:
                self._bury(piece.partition, offset)
                return False  # and not remembered
            if self._route.definition.trace:
                number = piece.partition.number
                subject.properties = with_hop(self._route.definition, number, offset, subject.properties)
                subject.changed = True
            self._remember(subject)
            return True
        self._remember(subject)
        return False

    def _remember(self, subject: Subject) -> None:
        for digest in subject.digests:
            self._fresh[digest] = self._store_ms

    def _seen(self, digest: bytes, window: float) -> bool:
        """Whether a message of that digest went on, stored less than a window before or after the one at hand."""
        return near(self._fresh.get(digest, self._route.seen.get(digest)), self._store_ms, window)

    def _bury(self, partition: Partition, offset: int) -> None:
        """It cannot be routed, now or later: a dead letter."""
        held = HeldLease(0, self._group, self._group.by_partition[partition.id], [offset, offset + 1], 1, 0)
        reason = f"{', '.join(self._compact)} is compacted, the message has no key"
        damage = dead_letter.bury(self.draft, self._engine.contents, held, [(offset, offset + 1)], reason)
        if damage is not None:
            raise damage
        self._dead += 1


class Facts:
    """Header fields of the messages of a piece as a receiver sees them: what the provider knows wins."""

    __slots__ = ("_facts", "_own", "_piece", "_position")

    def __init__(self, piece: Piece, shared: dict[str, Any], store_ms: int) -> None:
        self._piece = piece
        self._facts = facts_of(shared, piece.partition, store_ms)
        self._position = 0
        self._own: dict[str, Any] = {}

    def at(self, position: int, record: Record) -> None:
        """Turn to a message."""
        self._position = position
        self._own = record.headers or {}

    def __call__(self, name: str) -> Any:
        """A field by its standard name, None when it is unset."""
        piece = self._piece
        return provided(name, piece.header, self._facts, self._own, piece.base, self._position)
