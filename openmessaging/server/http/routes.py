"""All routes: each module brings its own list."""

from __future__ import annotations

from typing import Any

from openmessaging.server.http import (
    administration,
    asking,
    consuming,
    following,
    groups,
    looking,
    native,
    openapi,
    operations,
    overview,
    queues,
    routing,
    search,
    sends,
    streaming,
    timed,
    transactions,
    ui,
)
from openmessaging.server.http.binding import routes as binding
from openmessaging.server.http.table import Route, SocketRoute

MODULES: tuple[Any, ...] = (
    binding,
    queues,
    sends,
    looking,
    search,
    groups,
    consuming,
    following,
    streaming,
    timed,
    routing,
    transactions,
    asking,
    openapi,
    operations,
    native,
    overview,
    administration,
    ui,
)


def all_routes() -> list[Route | SocketRoute]:
    """Every route of the server."""
    return [route for module in MODULES for route in module.ROUTES]
