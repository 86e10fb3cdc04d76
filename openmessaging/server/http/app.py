"""The HTTP application: authenticates a request, finds its route, answers. Knows no sockets; see `listener.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from openmessaging.server.config import Config
from openmessaging.server.health import Health
from openmessaging.server.http.attended import Attended
from openmessaging.server.http.coding import AT_ONCE, MIN_BYTES, chosen, encoded
from openmessaging.server.http.origins import Origins
from openmessaging.server.http.problem import problem
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.settings import HttpLimits
from openmessaging.server.http.sharing import Sharing
from openmessaging.server.http.signing_in import shown
from openmessaging.server.http.table import Route, SocketRoute, Table, call
from openmessaging.server.metrics import Metrics
from openmessaging.server.security import Identity, Security
from openmessaging.server.served import Driver
from openmessaging.server.server import Server
from openmessaging.server.watch import Watch

if TYPE_CHECKING:
    from openmessaging.server.http.callbacks.manager import Callbacks

T = TypeVar("T")

_LOCAL = 100
"""Addresses of this machine that are remembered."""
_PACKED = ("application/json", "application/problem+json", "application/msgpack", "text/", "application/javascript")


class Serving(Protocol):
    """What the application needs of the node that runs it."""

    started_ms: int

    @property
    def driver(self) -> Driver:
        """The driver that is served."""
        ...

    @property
    def security(self) -> Security:
        """Who may do what."""
        ...

    @property
    def config(self) -> Config:
        """What it was told."""
        ...

    @property
    def server(self) -> Server:
        """The server of the native protocol, whose clients may come through HTTP."""
        ...

    @property
    def metrics(self) -> Metrics:
        """What is counted."""
        ...

    def health(self) -> Health:
        """Whether it can do its work."""
        ...


class Application:
    """Answers requests.

    Args:
        node: whose driver is served. Requests are authenticated by its `security`, and handlers work on a driver that
            it guards.
        routes: the routing table.
        limits: what a request may take.
    """

    def __init__(self, node: Serving, routes: Iterable[Route | SocketRoute], limits: HttpLimits) -> None:
        self.node = node
        self.table = Table(routes)
        self.limits = limits
        self.watch = Watch(node)
        """Rates of the last minutes."""
        self.sharing = Sharing(time.monotonic, limits.subscription_idle)
        """What requests of one client have in common."""
        self._origins = Origins(limits.trusted_hosts)
        self._local: dict[str, Identity] = {}
        """By address, who came from this machine while there were no users: they may do everything."""
        self._polls: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self.callbacks: Callbacks | None = None
        """Set where the operator allows some."""

    async def start(self) -> None:
        """Take up what was under way when the server stopped."""
        if self.node.config.callbacks.hosts:
            from openmessaging.server.http.callbacks.manager import callbacks_of  # an HTTP client, which few need

            self.callbacks = await callbacks_of(self.node)

    async def respond(self, request: Request) -> Response:
        """The answer to a request; errors become answers too."""
        try:
            request.app = self
            route = self.table.route(request)
            if isinstance(route, Response):
                return route
            await self.authenticate(request, route.anyone)
            response = await call(route, request)
            if isinstance(response.body, AsyncGenerator) and request.identity is not None:
                response.body = held = Attended(self.node.security, request.identity, response.body)
                response.undelivered = held.leave
        except Exception as failure:
            self.node.metrics.errors[getattr(failure, "code", 1500)] += 1
            response = problem(failure)
        return await self._packed(request, response)

    async def authenticate(self, request: Request, anyone: bool) -> None:
        """Set who asks, and what he may use. Raises OMSSecurityException 1401, and 1403 for a page of another site."""
        driver = request.driver = self.node.driver
        security = self.node.security
        if not security.active:
            self._origins.check(request.method, request.path, request.headers)
        if anyone:
            return
        if not security.active and (local := self._local.get(request.client)) is not None:
            request.identity = local
            return
        credentials = shown(request)
        identity = security.recognise(credentials) or await security.authenticate(credentials)
        request.identity, request.driver = identity, security.guard(driver, identity)
        if not security.active and len(self._local) < _LOCAL:
            self._local[request.client] = identity

    def socket_route(self, request: Request) -> SocketRoute | None:
        """The route of a request for a WebSocket, None for a path without one. Raises HttpError 404."""
        request.app = self
        return self.table.socket(request)

    async def _packed(self, request: Request, response: Response) -> Response:
        """The answer compressed, where the client wants it and it is worth it."""
        body = response.body
        accept = request.headers.get("accept-encoding")
        if accept is None or not isinstance(body, bytes) or len(body) < MIN_BYTES:
            return response
        names = dict(response.headers)
        coding = chosen(accept)
        if coding is None or "content-encoding" in names or not names.get("content-type", "").startswith(_PACKED):
            return response
        response.headers = [*response.headers, ("content-encoding", coding), ("vary", "accept-encoding")]
        try:
            response.body = (
                encoded(coding, body) if len(body) < AT_ONCE else await asyncio.to_thread(encoded, coding, body)
            )
        except asyncio.CancelledError:
            if response.undelivered is not None:
                response.undelivered()
            raise
        return response

    async def long_poll(self, waiting: Coroutine[Any, Any, list[T]]) -> list[T]:
        """What comes, or nothing when the server is stopping."""
        task = asyncio.current_task()
        assert task is not None
        if self._stopping:
            waiting.close()
            return []
        self._polls.add(task)
        try:
            return await waiting
        except asyncio.CancelledError:
            if not self._stopping or task.uncancel():
                raise
            return []
        finally:
            self._polls.discard(task)

    @property
    def stopping(self) -> bool:
        """Whether the server is stopping: streams end."""
        return self._stopping

    def is_waiting(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task is in a long poll."""
        return task in self._polls

    def stop_waiting(self) -> None:
        """Let long polls answer now: the server is stopping."""
        self._stopping = True
        for task in list(self._polls):
            task.cancel()

    async def close(self) -> None:
        """Let go of what is held for clients."""
        if self.callbacks is not None:
            await self.callbacks.close()
        await self.sharing.close()


def create(node: Serving) -> Application:
    """The application with all its routes."""
    from openmessaging.server.http.routes import all_routes

    return Application(node, all_routes(), node.config.http)
