"""The application: listeners on queues, and what they need while it runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from openmessaging.app.codec import Codec, JsonCodec
from openmessaging.app.health import Health, check
from openmessaging.app.listener import Callee, Listener, Middleware, Watch
from openmessaging.app.listener import listener as make_listener
from openmessaging.app.needs import Needs
from openmessaging.app.outbox.relay import Outbox, Relay
from openmessaging.app.plan import Call
from openmessaging.app.publisher import Publisher
from openmessaging.app.rules import Rule, Rules
from openmessaging.app.running import Running
from openmessaging.app.sending import Sending
from openmessaging.app.service import Service
from openmessaging.app.service import service as make_service
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import error
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio.access_point import AccessPoint, connect
from openmessaging.runtime.aio.producer import Producer
from openmessaging.runtime.state import ServiceState, not_started

logger = logging.getLogger("openmessaging.app")
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
ASGIApp = Callable[[Any, Any, Any], Any]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""Called with the app: what stands before `yield` runs before the listeners start, the rest after they ended."""


class App(Sending, Needs):
    """An application of listeners: `async with app:` in a program or a test, `await app.run()` or `oms run` for good.

    A listener's parameter of type `oms.Message` gets the message, `oms.ListenerContext` its context, `oms.App` this
    app, `Annotated[T, oms.Depends(function)]` a dependency; the one that is left gets the body as its type, or several
    get the fields of the body. A plain function runs in a thread, so that it may block.

    A message is acknowledged when the function has returned, and comes back after its back-off when it raised. One
    whose body cannot be read goes to the dead-letter queue at once, saying which field was wrong. What is returned
    is sent in one step with the acknowledgement, where the system has transactions; a returned `oms.Message`, or a
    list of them (see `App.message`), goes to its own queue, anything else to `sends_to`.

    Args:
        url: the access point; opened when the app starts.
        attributes: the access point's attributes.
        namespace: where bare queue names lie.
        requires, emulate: capabilities, see `connect`.
        title: its name for people, in documents and logs.
        version: its version, in documents.
        description: what it does, in documents.
        group: the consumer group of listeners that name none.
        codec: how bodies are written; a listener or a send may have its own.
        lifespan: an asynchronous context manager around the life of the listeners.
        middleware: around every listener, the first outermost.
        on_error: rules for exceptions, for every listener.
        grace: seconds that stopping waits for listeners at work.
    """

    def __init__(
        self,
        url: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        requires: Iterable[str] = (),
        emulate: Iterable[str] = (),
        title: str = "app",
        version: str = "1",
        description: str = "",
        group: str = "default",
        codec: Codec | None = None,
        lifespan: Lifespan | None = None,
        middleware: Iterable[Middleware] = (),
        on_error: Rules | None = None,
        grace: float = 30.0,
    ) -> None:
        super().__init__()
        self.url = url
        self.attributes = attributes
        self.namespace = namespace
        self.requires, self.emulate = requires, emulate
        self.title = title
        self.version = version
        self.description = description
        self.group = group
        self.codec = codec or JsonCodec()
        self.lifespan = lifespan
        self.middlewares = list(middleware)
        """Around every listener, the first outermost; read when the app starts."""
        self.rules = dict(on_error or {})
        """For every listener; read when a listener raises."""
        self.grace = grace
        self.listeners: list[Listener] = []
        self.services: list[Service] = []
        self.publishers: list[Publisher[Any]] = []
        self.relays: list[Relay] = []
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        """Functions that stand in for dependencies, for tests; read when the app starts."""
        self.state: dict[str, Any] = {}
        """The user's own: what the lifespan makes for the listeners, for example."""
        self._running: Running | None = None

    # ---- what it consists of --------------------------------------------------------------------------------------

    def listener(
        self,
        queue: str | Sequence[str],
        group: str | None = None,
        *,
        sends_to: str | None = None,
        retry: Backoff | None = None,
        concurrency: int | None = None,
        order: Literal["none", "key"] = "none",
        start: str = "earliest",
        filter: str | None = None,
        batch: int | None = None,
        codec: Codec | None = None,
        invisible_time: float = 30.0,
        max_processing: float = 900.0,
        on_error: Rules | None = None,
        middleware: Iterable[Middleware] = (),
    ) -> Callable[[F], F]:
        """Decorate a function that is called with each message of a queue, or of several.

        See the class for its parameters and what becomes of the message and of what is returned.

        Args:
            queue: one queue, or several.
            group: the consumer group; None: the app's.
            sends_to: the queue that the return value goes to, with the message's key, unless it is None.
            retry: when a failed message comes back, and after how many deliveries it is dead.
            concurrency: calls at work at once; None: with `order="key"` 16, else one per partition, in its order.
            order: `key`: one message of a key at work at a time.
            start: where a new group begins: `earliest`, `latest`, `offset:<n>` or `ts:<ms>`.
            filter: an SQL condition over properties and header fields: only messages that match it come, the others are
                done for this group. It replaces the one that the group has.
            batch: calls with lists, of at most so many messages.
            codec: how bodies are read and results are written; None: the app's.
            invisible_time: seconds that a message stays hidden from the rest of its group, renewed while at work.
            max_processing: seconds that a call may take.
            on_error: rules for exceptions, before those of the app.
            middleware: around this listener, inside the app's.

        Raises OMSRuntimeException 1418 for a parameter that nothing can be passed to, for a condition that cannot be
        read, and for a second listener of a group on a queue.
        """
        names = sys._getframe(1).f_locals
        queues = (queue,) if isinstance(queue, str) else tuple(queue)

        def add(function: F) -> F:
            made = make_listener(
                function,
                names,
                queues=queues,
                group=group or self.group,
                sends_to=sends_to,
                codec=codec or self.codec,
                concurrency=concurrency,
                order=order,
                start=start,
                filter=filter,
                retry=retry or Backoff(),
                batch=batch,
                invisible_time=invisible_time,
                max_processing=max_processing,
                rules=on_error or {},
                middleware=tuple(middleware),
            )
            self._check_alone(made)
            self.listeners.append(made)
            return function

        return add

    def service(
        self,
        queue: str,
        group: str | None = None,
        *,
        concurrency: int = 16,
        retry: Backoff | None = None,
        codec: Codec | None = None,
        invisible_time: float = 10.0,
        on_error: Rules | None = None,
        middleware: Iterable[Middleware] = (),
    ) -> Callable[[F], F]:
        """Decorate a function that answers the requests to a queue: what it returns is the answer.

        Its parameters are given as those of a listener; one of type `oms.Request` gets the request, and there is no
        `oms.ListenerContext`. A generator answers with a stream. What it raises arrives at the requester as an
        `oms.OMSRemoteException`; a body that cannot be read is answered with 1400, naming the field. Middleware gets
        the request, and None for a context.

        Args:
            queue: where requests lie.
            group: services of one group share the requests; each group gets all. None: the app's.
            concurrency: requests at work at once.
            retry: how often a request that is idempotent is tried when services die of it; None: 3 times.
            codec: how requests are read and answers are written; None: the app's.
            invisible_time: seconds after which a request goes to another service when this one died.
            on_error: rules for exceptions, before those of the app; what a rule's function returns is the answer.
            middleware: around this service, inside the app's.

        Raises OMSRuntimeException 1418 for a parameter that nothing can be passed to, and for a second function of a
        group on a queue.
        """
        names = sys._getframe(1).f_locals

        def add(function: F) -> F:
            made = make_service(
                function,
                names,
                queues=(queue,),
                group=group or self.group,
                codec=codec or self.codec,
                concurrency=concurrency,
                retry=retry,
                invisible_time=invisible_time,
                rules=on_error or {},
                middleware=tuple(middleware),
            )
            self._check_alone(made)
            self.services.append(made)
            return function

        return add

    @overload
    def publisher(
        self, queue: str, kind: type[T], *, codec: Codec | None = None, description: str = ""
    ) -> Publisher[T]: ...
    @overload
    def publisher(
        self, queue: str, kind: Any = Any, *, codec: Codec | None = None, description: str = ""
    ) -> Publisher[Any]: ...
    def publisher(
        self, queue: str, kind: Any = Any, *, codec: Codec | None = None, description: str = ""
    ) -> Publisher[Any]:
        """A queue that this app sends to, with the type of its bodies: `await invoices.send(invoice)`."""
        made: Publisher[Any] = Publisher(self, queue, kind, codec or self.codec, description)
        self.publishers.append(made)
        return made

    def relay(self, outbox: Outbox, *, name: str = "outbox", interval: float = 0.5, batch: int = 100) -> Relay:
        """Send what waits in an outbox while the app runs: rows of a database become messages, each once.

        Args:
            outbox: a `SqlOutbox`, a `DjangoOutbox`, or the like.
            name: of the relay; one of a name may run at a time.
            interval: seconds between looks into the database; `relay.wake()` after a commit cuts one short.
            batch: most rows sent in one transaction.
        """
        made = Relay(self, outbox, name, interval, batch)
        self.relays.append(made)
        return made

    def middleware(self, function: Middleware) -> Middleware:
        """Decorate a function that wraps every listener, inside the middleware that is there."""
        self.middlewares.append(function)
        return function

    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]:
        """Decorate a function that is called with (exception, message) when a listener raised one of this kind.

        What it returns counts as what the listener returned; it may raise `oms.Reject` or `oms.Retry`.
        """

        def add(function: F) -> F:
            rule: Rule = function
            self.rules[kind] = rule
            return function

        return add

    # ---- its life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the access point, enter the lifespan, start the listeners; nothing happens when it is started."""
        wishes = {"requires": self.requires, "emulate": self.emulate}
        await self.launch(connect(self.url, self.attributes, namespace=self.namespace, **wishes), _unwatched)

    async def launch(self, access_point: AccessPoint, watch: Watch) -> None:
        """As `start`, on another access point, and with something around each call: for test kits."""
        if self._running is None:
            self._running = Running(self, access_point, watch)
            try:
                await self._running.open()
            except BaseException:
                self._running = None
                raise

    async def stop(self) -> None:
        """Receive nothing new, wait up to `grace` for what is at work, give the rest back, leave the lifespan."""
        running = self._running
        if running is not None:
            try:
                await running.close()
            finally:
                self._running = None

    async def run(self, *, once: bool = False) -> None:
        """Start, and run until SIGTERM or SIGINT, then stop as `stop` does. A second signal ends the process.

        Args:
            once: also stop when the listeners have worked off what is due; what is to be tried again later stays.
        """
        from openmessaging.app.signals import StopSignals

        with StopSignals() as signals:
            async with self:
                counts = len(self.listeners), len(self.services)
                logger.info("%s runs on %s: %d listener(s), %d service(s)", self.title, self.url, *counts)
                if once:
                    await self.running.work_off(signals.came)
                else:
                    await signals.came.wait()
                logger.info("%s stops; listeners at work have %g s", self.title, self.grace)
        logger.info("%s has stopped", self.title)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @asynccontextmanager
    async def asgi_lifespan(self, framework: Any) -> AsyncIterator[None]:
        """The life of this app inside an ASGI framework's: `FastAPI(lifespan=app.asgi_lifespan)`."""
        del framework
        async with self:
            yield

    def health(self) -> Health:
        """Whether it lives and is ready; costs next to nothing."""
        return check(self._running)

    def asgi(self) -> ASGIApp:
        """An ASGI application with `/health/live`, `/health/ready`, `/docs` and `/asyncapi.json`.

        Mount it in another application, or serve it by itself: then the app starts and stops with the server.
        """
        from openmessaging.app.asgi import asgi

        return asgi(self)

    @property
    def running(self) -> Running:
        """What there is while it runs. Raises OMSRuntimeException 1503 otherwise."""
        if self._running is None:
            raise not_started("app", ServiceState.INITIALIZED)
        return self._running

    @property
    def access_point(self) -> AccessPoint:
        """The open access point. Raises OMSRuntimeException 1503 unless the app runs or its lifespan has begun."""
        return self.running.access_point

    @property
    def producer(self) -> Producer:
        """The app's producer. Raises as `access_point`."""
        return self.running.producer

    def _check_alone(self, made: Listener | Service) -> None:
        for other in (*self.listeners, *self.services):
            shared = set(made.queues) & set(other.queues)
            if shared and made.group == other.group:
                text = f"{made.name} and {other.name} would share the messages of {min(shared)} in group {made.group}"
                raise error(1418, text, next_step="Give one of them another group", field="group")


def _unwatched(_: Callee, call: Call) -> Call:
    return call
