"""The one path of the static binding."""

from __future__ import annotations

from openmessaging.server.http.binding import callback, consume, produce
from openmessaging.server.http.binding.fields import Kind, kind_of
from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.table import Route


async def post(request: Request) -> Response:
    """POST /"""
    match kind_of(request.headers):
        case Kind.PRODUCE:
            return await produce.produce(request)
        case Kind.CONSUME:
            return await consume.consume(request)
        case Kind.CALLBACK:
            return await callback.register(request)
        case Kind.SETTLE:
            return await consume.settle(request)


async def get(request: Request) -> Response:
    """GET / consumes, and nothing else."""
    kind = kind_of(request.headers)
    if kind is not Kind.CONSUME:
        reason = f"{kind.name.lower()} is not for GET"
        raise HttpError(405, 1400, reason, next_step="Use POST", headers=[("allow", "POST")])
    return await consume.consume(request)


ROUTES: list[Route] = [
    Route(method="POST", path="/", handler=post, summary="The static binding", limit=32 << 20),
    Route(method="GET", path="/", handler=get, summary="The static binding: consume"),
]
