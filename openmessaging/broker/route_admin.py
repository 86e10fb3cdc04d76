"""Routes of a running store: added, removed, shown and explained."""

from __future__ import annotations

from openmessaging.broker import routing
from openmessaging.broker.explaining import explain
from openmessaging.broker.replaying import Replaying
from openmessaging.model.routing import Explanation, Route, RouteInfo
from openmessaging.routing.checking import check_operators


class RouteAdmin(Replaying):
    """What the driver calls; each change returns once it is durable."""

    def create_route(self, route: Route, start: str) -> None:
        """Add a route. Raises as `routing.decide_create`, and 1418 for a position that cannot be read."""
        check_operators(route.operators)  # while nobody waits: it may load the parser
        starts = self._offsets(route.source, start) if route.source in self.runner.engine.queues else None
        self.runner.change(lambda engine, now_ms: routing.decide_create(engine, now_ms, route, start, starts))
        self.runner.alarm.on_soon()  # upkeep has something to do

    def delete_route(self, name: str) -> None:
        """Remove a route with its group. Raises 1404."""
        self.runner.change(lambda engine, now_ms: routing.decide_delete(engine, now_ms, name))

    def list_routes(self, namespace: str) -> list[RouteInfo]:
        """The routes of a namespace, by name. Raises 1405."""
        runner = self.runner
        with runner.lock:
            runner.tick_locked()
            runner.engine.check_namespace(namespace)
            routes = sorted(runner.engine.routes.by_name.items())
            prefix = f"{namespace}://"
            return [routing.describe(runner.engine, route) for name, route in routes if name.startswith(prefix)]

    def describe_route(self, name: str) -> RouteInfo:
        """Raises 1404."""
        with self.runner.lock:
            self.runner.tick_locked()
            return routing.describe(self.runner.engine, routing.route_named(self.runner.engine, name))

    def explain_route(self, queue: str, message: bytes) -> list[Explanation]:
        """What the routes of a queue would do with a message. Raises as `explain`."""
        with self.runner.lock:
            now_ms = self.runner.tick_locked()
            return explain(self.runner.engine, now_ms, queue, message)
