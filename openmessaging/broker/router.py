"""Takes the routes of a running store further, step by step, when there is something for them. Called by upkeep.

Routes with functions are not its business. A route that fails (a full disk, damage) is tried again in a moment, and
holds up nobody else.
"""

from __future__ import annotations

from functools import partial

from openmessaging.broker import routing
from openmessaging.broker.route import StoredRoute
from openmessaging.broker.runner import Runner
from openmessaging.broker.wakeups import Wake
from openmessaging.model.errors import OMSRuntimeException

STEPS = 32
"""Most steps of one run: timers and acknowledgements wait for it."""
PATIENCE = 0.01
"""Seconds after which a run takes no further step."""
PAUSE = 0.5
"""Seconds until a route that failed is tried again."""


class Router:
    """All routes of a store that run in the engine. Called by one thread; woken by any."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._ready: dict[int, None] = {}
        """Ids of groups that may have something, in turns; used under the runner's lock."""
        self._failed: dict[int, float] = {}
        """Ids of groups whose route failed, and when it is tried again."""
        self.on_ready: Wake = _nothing
        """There is something to do; called under the runner's lock."""

    @property
    def active(self) -> bool:
        """Whether there may be something to do at once."""
        return bool(self._ready or self._runner.engine.routes.fresh)

    def next_try(self) -> float | None:
        """When a route that failed is tried again, by the monotonic clock."""
        return min(self._failed.values(), default=None)

    def run(self) -> None:
        """Take some steps, routes in turns."""
        clock = self._runner.clock
        now = clock.monotonic()
        end = now + PATIENCE
        for _ in range(STEPS):
            with self._runner.lock:
                if self._runner.closed or (group_id := self._next_locked(now)) is None:
                    return
                route = self._runner.engine.routes.by_group.get(group_id)
            if route is not None and not route.definition.functions:
                self._step(route)
            if clock.monotonic() >= end:
                return

    def _next_locked(self, now: float) -> int | None:
        """The group whose turn it is."""
        again = [group_id for group_id, when in self._failed.items() if when <= now]
        for group_id in again:
            del self._failed[group_id]
        fresh = self._runner.engine.routes.fresh
        self._ready.update(dict.fromkeys([*again, *sorted(fresh)]))
        fresh.clear()
        first = next(iter(self._ready), None)
        self._ready.pop(first, None)  # type: ignore[arg-type]
        return first

    def _step(self, route: StoredRoute) -> None:
        try:
            route.prepare()  # without the lock: it may load the parser
            with self._runner.lock:
                self._step_locked(route)
            route.trouble = None
        except OMSRuntimeException as failure:
            route.trouble = str(failure)
            with self._runner.lock:
                self._failed[route.group_id] = self._runner.clock.monotonic() + PAUSE

    def _step_locked(self, route: StoredRoute) -> None:
        runner = self._runner
        now_ms = runner.tick_locked()
        if runner.engine.routes.by_group.get(route.group_id) is not route:
            return  # it was deleted
        bound = runner.contents.reach(routing.MAX_BYTES)
        entry = routing.decide_step(runner.engine, route, now_ms, bound, routing.MAX_MESSAGES)
        if entry.operations:
            runner.stage_locked(entry, reserved=False)
            runner.alarm.on_urgent()
            self._ready[route.group_id] = None
        else:
            runner.receivers.add(route.group_id, partial(self._wake, route.group_id))

    def _wake(self, group_id: int) -> None:
        self._ready[group_id] = None
        self.on_ready()


def _nothing() -> None:
    pass
