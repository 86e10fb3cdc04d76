"""The routes of a store: what they are, what they did, and what their deduplicators have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.broker.routed import CreateRoute, DeleteRoute, Routed
from openmessaging.filters import compile_condition
from openmessaging.model.errors import error
from openmessaging.model.routing import Deduplicate, Route
from openmessaging.routing.leading import behind_filter, leading_filter
from openmessaging.routing.steps import DIGEST_BYTES, Step, step_of

if TYPE_CHECKING:
    from openmessaging.broker.state import State

MAX_SEEN = 100_000
"""Digests that a route remembers; beyond it the oldest is forgotten before its time. About 15 MB."""


def near(seen_ms: int | None, store_ms: int, window: float) -> bool:
    """Whether something was seen, and stored less than a window (seconds) before or after a time."""
    return seen_ms is not None and abs(store_ms - seen_ms) < window * 1000


class StoredRoute:
    """A route and its state. `trouble` is soft: why the last step failed."""

    __slots__ = ("_steps", "dead", "definition", "dropped", "group_id", "routed", "seen", "trouble", "window_ms")

    def __init__(self, definition: Route, group_id: int) -> None:
        self.definition = definition
        self.group_id = group_id
        self.routed = self.dropped = self.dead = 0
        self.seen: dict[bytes, int] = {}
        """Store time by digest; what was seen first comes first."""
        windows = [each.window for each in definition.operators if isinstance(each, Deduplicate)]
        self.window_ms = int(max(windows, default=0) * 1000)
        self.trouble: str | None = None
        self._steps: list[Step] | None = None

    def prepare(self) -> list[Step]:
        """What the operators behind the first filter do; of a route without functions. Made when first asked for: that
        may load the parser."""
        if self._steps is None:
            condition = leading_filter(self.definition.operators)
            if condition is not None:
                compile_condition(condition)
            found = [step_of(each, number) for number, each in behind_filter(self.definition.operators)]
            self._steps = [step for step in found if step is not None]
        return self._steps

    def remember(self, seen: list[tuple[int, bytes]]) -> None:
        """Messages went on; what is older than the window of the newest is forgotten."""
        known = self.seen
        for store_ms, digests in seen:
            for at in range(0, len(digests), DIGEST_BYTES):
                digest = digests[at : at + DIGEST_BYTES]
                known.pop(digest, None)
                known[digest] = store_ms
            while known:
                oldest = next(iter(known))
                if len(known) <= MAX_SEEN and known[oldest] > store_ms - self.window_ms:
                    break
                del known[oldest]


class StoredRoutes:
    """All of them."""

    def __init__(self) -> None:
        self.by_name: dict[str, StoredRoute] = {}
        """By full name."""
        self.by_group: dict[int, StoredRoute] = {}
        """By the id of their group."""
        self.fresh: set[int] = set()
        """Ids of the groups of routes that came into being; soft: whoever runs routes takes them out."""

    def add(self, route: StoredRoute) -> None:
        """Put a route in."""
        self.by_name[route.definition.name] = self.by_group[route.group_id] = route
        self.fresh.add(route.group_id)

    def of_queue(self, queue: str) -> list[StoredRoute]:
        """The routes that read a queue, by name."""
        return [route for _, route in sorted(self.by_name.items()) if route.definition.source == queue]

    def check_unused(self, queue: str) -> None:
        """Raises OMSRuntimeException 1400 for a queue that a route reads or fills."""
        for name, route in sorted(self.by_name.items()):
            if queue == route.definition.source or queue in route.definition.targets:
                step = f"Delete the route first: oms route delete {name}"
                raise error(1400, f"{queue} is used by the route {name}", next_step=step)

    def check_free(self, group_id: int, *, joining: bool = False) -> None:
        """Raises OMSRuntimeException 1418 for a group that a route reads by; one with functions may be joined."""
        route = self.by_group.get(group_id)
        if route is not None and not (joining and route.definition.functions):
            text = f"{route.definition.group} is the group of the route {route.definition.name}"
            raise error(1418, text, next_step="Use another group, or delete the route", field="group")


class Dumped(msgspec.Struct, array_like=True, gc=False):
    """A route in a snapshot."""

    definition: dict[str, Any]
    group_id: int
    counts: tuple[int, int, int]
    seen: list[tuple[bytes, int]]


def dump(routes: StoredRoutes) -> list[Dumped]:
    """The routes for a snapshot."""
    return [
        Dumped(
            msgspec.to_builtins(each.definition),
            each.group_id,
            (each.routed, each.dropped, each.dead),
            list(each.seen.items()),
        )
        for _, each in sorted(routes.by_name.items())
    ]


def load(state: State, dumped: list[Dumped]) -> None:
    """Put the routes of a snapshot in; their groups are there."""
    for each in dumped:
        route = _add(state, each.definition, each.group_id)
        route.routed, route.dropped, route.dead = each.counts
        route.seen = dict(each.seen)


def _add(state: State, definition: dict[str, Any], group_id: int) -> StoredRoute:
    route = StoredRoute(msgspec.convert(definition, Route), group_id)
    state.routes.add(route)
    state.groups[group_id].is_route = True
    return route


def apply_create(state: State, operation: CreateRoute, _: int) -> None:
    """A route comes into being."""
    _add(state, operation.definition, operation.group_id)


def apply_delete(state: State, operation: DeleteRoute, _: int) -> None:
    """A route goes."""
    route = state.routes.by_name.pop(operation.name, None)
    if route is not None:
        del state.routes.by_group[route.group_id]


def apply_routed(state: State, operation: Routed, _: int) -> None:
    """Messages went through a route."""
    route = state.routes.by_name.get(operation.name)
    if route is not None:
        route.routed += operation.routed
        route.dropped += operation.dropped
        route.dead += operation.dead
        route.remember(operation.seen)
