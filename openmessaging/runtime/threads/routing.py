# Generated from openmessaging/runtime/aio/routing.py by scripts/unasync.py: change that file instead.
"""Routes: what goes from a queue through operators to other queues. The part of the resource manager about them.

Source: specification 1.0.0, "resource manager", routing(source, target); create, delete and list are those of 0.3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from openmessaging.model.destination import full_name, split_name
from openmessaging.model.message import Message
from openmessaging.model.routing import Explanation, Operator, Route, RouteInfo
from openmessaging.model.spi import Backoff, Capability
from openmessaging.routing.text import read_operator
from openmessaging.runtime.positions import as_text
from openmessaging.runtime.required import require
from openmessaging.runtime.single import encode_single
from openmessaging.runtime.threads.primitives import Driver

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint


class Routing:
    """Adds, removes, shows and explains routes."""

    _access_point: AccessPoint

    def routing(self, source: str, target: str) -> None:
        """Let a queue get a duplicate of each message that another one gets from now on; the source keeps its own. The
        route is named `<source>-to-<target>`. Raises as `create_routing`."""
        name = f"{split_name(source)[1]}-to-{split_name(target)[1]}"
        self.create_routing(name, source, target)

    def create_routing(
        self,
        name: str,
        source: str,
        targets: str | Sequence[str],
        operators: Iterable[Operator | str] = (),
        *,
        start: str | datetime = "latest",
        trace: bool = False,
        backoff: Backoff | None = None,
    ) -> RouteInfo:
        """Add a route: what a queue gets goes through operators, in their order, to other queues. It works from now on,
        as long as the store is open somewhere; one with functions where a router has them (`create_router`).

        Args:
            name: lies in the namespace of the source.
            source: bare or full name; created on first use, like the targets.
            targets: one queue or up to 8; each gets every message that passes.
            operators: of `openmessaging.routing`, or as text: `filter amount > 100`, `deduplicate by key within 60`,
                `sample 10%`, `set region = 'EU'`, `call enrich`.
            start: where in the source it begins, as consumer groups do; `latest`: with what is sent from now on.
            trace: whether a property `route.hops` says which way a message came.
            backoff: when a message comes again after a function failed, and when it becomes a dead letter.

        Raises OMSDestinationException 1406 when it is there, 1404 or 1405 for a queue that may not be created;
        OMSRuntimeException 1418 for an operator that is wrong, and for a route that closes a circle, which it names;
        OMSUnsupportException.
        """
        driver = self._routes()
        full = self._access_point.full
        named = full_name(name, full(source).partition("://")[0])
        wanted = [targets] if isinstance(targets, str) else targets
        route = Route(
            named,
            full(source),
            [full(target) for target in wanted],
            [read_operator(each) if isinstance(each, str) else each for each in operators],
            trace,
            backoff or Backoff(),
        )
        driver.create_route(route, as_text(start))
        return driver.describe_route(named)

    def delete_routing(self, name: str) -> None:
        """Remove a route; its queues stay. Raises OMSDestinationException 1404 when missing, OMSUnsupportException."""
        driver = self._routes()
        driver.delete_route(self._access_point.full(name))

    def list_routings(self, namespace: str | None = None) -> list[RouteInfo]:
        """The routes of a namespace, by default the current one. Raises OMSDestinationException 1405."""
        driver = self._routes()
        return driver.list_routes(namespace or self._access_point.namespace)

    def describe_routing(self, name: str) -> RouteInfo:
        """A route, how far it is behind, and what it did. Raises OMSDestinationException 1404 when missing."""
        driver = self._routes()
        return driver.describe_route(self._access_point.full(name))

    def explain_routing(self, queue: str, message: Message) -> list[Explanation]:
        """What would become of a message in a queue: for each route the verdict of each operator, and the same for the
        queues it would get to. Nothing is sent.

        Raises OMSDestinationException 1404 for a missing queue, OMSMessageFormatException for a bad message.
        """
        driver = self._routes()
        return driver.explain_route(self._access_point.full(queue), encode_single(message))

    def _routes(self) -> Driver:
        driver = self._access_point.get_driver()
        require(driver.capabilities, Capability.ROUTING)
        return driver
