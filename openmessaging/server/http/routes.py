"""All routes: each module brings its own list."""

from __future__ import annotations

from openmessaging.server.http import native, queues, sends
from openmessaging.server.http.table import Route, SocketRoute


def all_routes() -> list[Route | SocketRoute]:
    """Every route of the server."""
    return [*sends.ROUTES, *queues.ROUTES, *native.ROUTES]
