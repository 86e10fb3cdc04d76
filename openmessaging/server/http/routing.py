"""Routes from queue to queue: make, list, describe, explain, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.destination import full_name
from openmessaging.model.routing import Explanation, RouteInfo
from openmessaging.model.settings import Backoff
from openmessaging.routing.text import show_operator
from openmessaging.server.http.messages import NewMessage, to_message
from openmessaging.server.http.names import InNamespace, queue_of, resources_of
from openmessaging.server.http.request import Request
from openmessaging.server.http.table import Route, tagged

ROUTE = "/v1/routes/{route}"


class NewRoute(msgspec.Struct, forbid_unknown_fields=True):
    """A route to be made."""

    name: Annotated[str, Meta(description="In the namespace of the source.")]
    source: Annotated[str, Meta(description="Bare or full; created on first use, like the targets.")]
    targets: Annotated[list[str], Meta(min_length=1, max_length=8)]
    operators: Annotated[
        list[str],
        Meta(
            max_length=100,
            description="One line each: `filter amount > 100`, `deduplicate by key within 60`, `sample 10%`, "
            "`set region = 'EU'`, `call enrich`.",
        ),
    ] = []
    start: Annotated[str, Meta(description="Where in the source it begins; `latest`: with what comes now.")] = "latest"
    trace: Annotated[bool, Meta(description="Whether a property `route.hops` says which way a message came.")] = False
    backoff: Backoff = Backoff()


class RouteView(msgspec.Struct, rename="camel"):
    """A route and what it has done."""

    name: str
    """`namespace://name`."""
    source: str
    targets: list[str]
    operators: list[str]
    trace: bool
    group: str
    """The consumer group by which it reads its source."""
    lag: int
    routed: int
    dropped: int
    dead: int
    dead_letter_queue: str
    trouble: str | None
    """Why it stands still at the moment, if it does."""


class RouteList(msgspec.Struct):
    """Routes of a namespace."""

    routes: list[RouteView]


class Explanations(msgspec.Struct):
    """What would become of a message, route by route; nothing was sent."""

    routes: list[Explanation]


def view_of(info: RouteInfo) -> RouteView:
    """A route as it is shown."""
    route = info.route
    return RouteView(
        route.name, route.source, route.targets, [show_operator(each) for each in route.operators], route.trace,
        info.group, info.lag, info.routed, info.dropped, info.dead, info.dead_letter_queue, info.trouble,
    )  # fmt: skip


async def list_routes(request: Request) -> RouteList:
    """GET /v1/routes"""
    found = await resources_of(request).list_routings()
    return RouteList([view_of(info) for info in found])


async def create_route(request: Request) -> RouteView:
    """POST /v1/routes"""
    new: NewRoute = request.input
    info = await resources_of(request).create_routing(
        new.name, new.source, new.targets, new.operators, start=new.start, trace=new.trace, backoff=new.backoff
    )
    return view_of(info)


async def describe_route(request: Request) -> RouteView:
    """GET /v1/routes/{route}"""
    return view_of(await request.driver.describe_route(_name_of(request)))


async def delete_route(request: Request) -> None:
    """DELETE /v1/routes/{route}"""
    await request.driver.delete_route(_name_of(request))


async def explain(request: Request) -> Explanations:
    """POST /v1/queues/{queue}/explain"""
    name = queue_of(request)
    message = to_message(request.input, name)
    return Explanations(await resources_of(request).explain_routing(name, message))


def _name_of(request: Request) -> str:
    return full_name(request.params["route"], request.query.namespace)


ROUTES: list[Route] = tagged(
    "routes",
    [
        Route(
            method="GET", path="/v1/routes", handler=list_routes, query=InNamespace, answer=RouteList, errors=(1405,),
            summary="List the routes of a namespace",
        ),
        Route(
            method="POST", path="/v1/routes", handler=create_route, query=InNamespace, input=NewRoute,
            answer=RouteView, status=201, errors=(1404, 1405, 1406, 1416), summary="Make a route",
        ),
        Route(
            method="GET", path=ROUTE, handler=describe_route, query=InNamespace, answer=RouteView, errors=(1404,),
            summary="Describe a route",
        ),
        Route(
            method="DELETE", path=ROUTE, handler=delete_route, query=InNamespace, status=204, errors=(1404,),
            summary="Delete a route; its queues stay",
        ),
        Route(
            method="POST", path="/v1/queues/{queue}/explain", handler=explain, query=InNamespace, input=NewMessage,
            answer=Explanations, errors=(1404, 1411, 1412, 1413),
            summary="Explain what the routes of a queue would do with a message",
        ),
    ],
)  # fmt: skip
