"""For who looks after a node: `/healthz`, `/readyz`, `/metrics`.

Health is for anyone, as orchestrators show no key; metrics name queues and groups, and take the grant `look *`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.server.exposition import CONTENT_TYPE
from openmessaging.server.http.request import JSON, Request, Response
from openmessaging.server.http.table import Route
from openmessaging.server.security import Action

_FRESH = [("cache-control", "no-store")]


async def live(_: Request) -> Response:
    """That it answers is the answer."""
    return _json({"live": True})


async def ready(request: Request) -> Response:
    """200 or 503, with the reasons."""
    health = request.app.node.health()
    return _json(health, 200 if health.ready else 503)


async def metrics(request: Request) -> Response:
    """What Prometheus scrapes."""
    node = request.app.node
    if not request.identity.mask("") & Action.LOOK:  # what is allowed is asked four times a minute: no line for that
        node.security.require(request.identity, Action.LOOK, operation="metrics")
    text = await node.metrics.text()
    return Response(200, [("content-type", CONTENT_TYPE), *_FRESH], text.encode())


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, [("content-type", JSON), *_FRESH], msgspec.json.encode(value))


_ROUTE: dict[str, Any] = {"method": "GET", "tag": "operations"}
ROUTES = [
    Route(**_ROUTE, path="/healthz", handler=live, summary="Whether it is alive", anyone=True),
    Route(**_ROUTE, path="/readyz", handler=ready, summary="Whether it can do its work, and why not", anyone=True),
    Route(**_ROUTE, path="/metrics", handler=metrics, summary="Metrics in the text format of Prometheus"),
]
