"""How the broker is doing: sums, and rates of the last minutes as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openmessaging.broker.totals import QueueTotals
from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.rights import require
from openmessaging.server.http.table import Route, tagged
from openmessaging.server.rates import Sample, Series
from openmessaging.server.security import Action
from openmessaging.server.watch import Watch
from openmessaging.wire import software

_LETTERS = ".dead-letter"


class Overview(msgspec.Struct, rename="camel"):
    """Sums over the queues that the client may see."""

    version: str
    user: str
    """By what name the client is known."""
    started_ms: int
    """When the server started, ms since the epoch."""
    capabilities: list[str]
    queues: int
    messages: int
    """Messages that can be read."""
    delayed: int
    """Messages that are not due yet."""
    lag: int
    """Messages not settled, over all groups."""
    in_flight: int
    """Messages in the hands of consumers."""
    dead_letters: int
    """Dead letters that were not sent back."""


class RatesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What rates are asked for."""

    queue: Annotated[str, Meta(description="One queue; without it, all together.")] = ""
    namespace: Annotated[str, Meta(description="Where a bare queue name lies.")] = DEFAULT_NAMESPACE
    stream: Annotated[
        bool, Meta(description="Answer with server-sent events: `series` at once, then a `sample` each second.")
    ] = False


async def overview(request: Request) -> Overview:
    """GET /v1/overview"""
    node: Any = request.app.node
    seen = request.driver.totals()
    return Overview(
        software(),
        request.identity.name,
        node.started_ms,
        sorted(request.driver.capabilities),
        len(seen),
        sum(each.messages for each in seen),
        sum(each.delayed for each in seen),
        sum(each.lag for each in seen),
        sum(each.in_flight for each in seen),
        sum(map(_letters, seen)),
    )


def _letters(totals: QueueTotals) -> int:
    """Dead letters in a queue: those that a redrive, which is a group, has not sent back."""
    if not totals.name.endswith(_LETTERS):
        return 0
    return totals.lag if totals.settled or totals.lag else totals.messages


async def rates(request: Request) -> Series | Response:
    """GET /v1/rates"""
    query: RatesQuery = request.query
    queue = full_name(query.queue, query.namespace) if query.queue else None
    if queue is None:
        require(request, Action.LOOK, "see the rates of all queues")
    else:
        await request.driver.describe_queue(queue)
    watch: Watch = request.app.watch
    if not query.stream:
        return watch.rates.series(queue)
    headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")]
    return Response(200, headers, _events(watch, queue))


async def _events(watch: Watch, queue: str | None) -> AsyncGenerator[bytes, None]:
    yield _event("series", watch.rates.series(queue))
    newest = watch.rates.newest(queue)
    if newest is not None:
        yield _event("now", newest)
    while await watch.next():
        newest = watch.rates.newest(queue)
        if newest is not None:
            yield _event("sample", newest)


def _event(name: str, value: Series | Sample) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


ROUTES: list[Route] = tagged(
    "server",
    [
        Route(
            method="GET", path="/v1/overview", handler=overview, summary="Sums over all queues",
            description="Over those that the client may see.", answer=Overview,
        ),
        Route(
            method="GET", path="/v1/rates", handler=rates, query=RatesQuery, answer=Series, errors=(1403, 1404),
            summary="Rates, backlog and latency of the last minutes",
            answer_media={"text/event-stream": Sample},
        ),
    ],
)  # fmt: skip
