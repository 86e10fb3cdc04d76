"""Routes: what they are made of, and what the driver SPI says about them.

Source: specification 1.0.0, "routing" (a queue's duplicates go to another queue) and "filter"; deduplicator, ordered
operators and the list, get and delete of routings are named by older releases; sampling, assignment and functions are
this project's.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from openmessaging.model.settings import Backoff

By = Literal["id", "key"]
KEY = "header.messageKey"
"""The name by which an assignment sets the message key."""


class _Operator(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    pass


class Filter(_Operator, frozen=True, tag="filter"):
    """Only what matches an SQL condition goes on."""

    condition: str


class Deduplicate(_Operator, frozen=True, tag="deduplicate"):
    """Of messages with the same id or key that were stored within a window, only the first goes on."""

    window: float
    """Seconds between the store times of two messages, over 0 and at most a year."""
    by: By = "id"
    """`key`: messages without a key go by their id."""


class Sample(_Operator, frozen=True, tag="sample"):
    """A share of the messages goes on, always the same ones: a hash of the id decides."""

    share: float
    """Over 0 and at most 1."""
    by: By = "id"
    """`key`: all messages of a key or none; messages without a key go by their id."""


class Assign(_Operator, frozen=True, tag="assign"):
    """Properties, and the key under the name `header.messageKey`, are set to expressions over the message as it was
    before: properties, `header.<field>`, constants, arithmetic, conditions. NULL takes a property, or the key, away."""

    values: dict[str, str]


class Transform(_Operator, frozen=True, tag="transform"):
    """A Python function is called; the route waits where nobody has registered one of that name."""

    function: str


Operator = Filter | Deduplicate | Sample | Assign | Transform


class Route(msgspec.Struct, frozen=True):
    """A route. Names of queues are full."""

    name: str
    """`namespace://name`, in the namespace of the source."""
    source: str
    targets: list[str]
    operators: list[Operator] = []
    trace: bool = False
    """Whether a property `route.hops` says which way a message came."""
    backoff: Backoff = Backoff()
    """When a message comes again after a function failed."""

    @property
    def group(self) -> str:
        """The consumer group by which it reads its source."""
        return f"route-{self.name.partition('://')[2]}"

    @property
    def functions(self) -> list[str]:
        """Names of the functions it calls; none: it runs wherever the store is open."""
        return [operator.function for operator in self.operators if isinstance(operator, Transform)]


class RouteInfo(msgspec.Struct, frozen=True):
    """A route as `describe` shows it."""

    route: Route
    group: str
    lag: int
    """Messages of the source that it has not handled."""
    routed: int
    """Messages that went on to the targets; like the next two not counted for routes with functions."""
    dropped: int
    """Messages that an operator held back."""
    dead: int
    """Messages that could not be routed and are dead letters."""
    dead_letter_queue: str
    trouble: str | None = None
    """Why it stands still at the moment, if it does."""


class Verdict(msgspec.Struct, frozen=True):
    """What an operator would do with a message."""

    operator: str
    verdict: Literal["passes", "drops", "changes", "unknown"]
    detail: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """What a route would do with a message."""

    route: str
    source: str
    steps: list[Verdict]
    targets: list[str]
    """Queues that would get it; none when an operator drops it."""
    then: list[Explanation] = []
    """The same for routes that read those queues."""


class Routes(Protocol):
    """What a driver offers with ROUTING."""

    async def create_route(self, route: Route, start: str) -> None:
        """Add a route, which begins at `start` (as a group does); missing queues come into being on first use.

        Raises 1406 when it is there, 1404, 1405, 1416 for queues, 1418 for a wrong operator and for a route that closes
        a circle.
        """
        ...

    async def delete_route(self, name: str) -> None:
        """Remove a route with its group. Raises 1404 when missing."""
        ...

    async def list_routes(self, namespace: str) -> list[RouteInfo]:
        """The routes of a namespace, by name."""
        ...

    async def describe_route(self, name: str) -> RouteInfo:
        """Raises 1404 when missing."""
        ...

    async def explain_route(self, queue: str, message: bytes) -> list[Explanation]:
        """What the routes of a queue would do with a message (an encoded batch of it alone). Raises 1404."""
        ...


class BlockingRoutes(Protocol):
    """The same for threads."""

    def create_route(self, route: Route, start: str) -> None:
        """Add a route."""
        ...

    def delete_route(self, name: str) -> None:
        """Remove a route with its group."""
        ...

    def list_routes(self, namespace: str) -> list[RouteInfo]:
        """The routes of a namespace, by name."""
        ...

    def describe_route(self, name: str) -> RouteInfo:
        """Raises 1404 when missing."""
        ...

    def explain_route(self, queue: str, message: bytes) -> list[Explanation]:
        """What the routes of a queue would do with a message."""
        ...
