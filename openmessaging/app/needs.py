"""What an app needs to be there when it starts: queues with settings, schedules, routes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from openmessaging.app.codec import Codec, encode
from openmessaging.app.listener import Middleware
from openmessaging.app.route import AppRoute
from openmessaging.app.route import route as make_route
from openmessaging.model.errors import OMSDestinationException
from openmessaging.model.routing import Operator
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio.access_point import AccessPoint

F = TypeVar("F", bound=Callable[..., Any])


class Needs:
    """The part of an app that says what it needs."""

    codec: Codec

    def __init__(self) -> None:
        self.queues: dict[str, tuple[int, dict[str, Any]]] = {}
        """Partitions and settings of the queues that it makes; read when the app starts."""
        self.schedules: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
        """Queues, bodies and settings of the schedules that it makes, by name; read when the app starts."""
        self.routes: list[AppRoute] = []

    def queue(self, queue: str, partitions: int = 1, **settings: Any) -> None:
        """See to it that a queue is there with these settings (`oms.ResourceManager.create_queue`) when the app starts.

        A queue that is there gets the settings and keeps its partitions. Starting raises OMSRuntimeException 1418 for a
        wrong setting, naming it.
        """
        self.queues[queue] = (partitions, settings)

    def schedule(self, name: str, queue: str, value: Any, *, codec: Codec | None = None, **settings: Any) -> None:
        """See to it that a value is sent to a queue again and again, from the app's first start on, whether it runs or
        not. When the settings are others at a later start, they count from then on.

        Args:
            name: of the schedule.
            queue: where to.
            value: bytes and str go as they are, all else as the codec writes it.
            codec: None: the app's.
            settings: `cron`, or `every` in seconds, and what else `oms.ResourceManager.create_schedule` takes.

        Starting raises what that raises.
        """
        self.schedules[name] = (queue, encode(codec or self.codec, value), settings)

    def route(
        self,
        source: str,
        targets: str | Sequence[str],
        operators: Iterable[Operator | str] = (),
        *,
        name: str | None = None,
        start: str = "latest",
        trace: bool = False,
        retry: Backoff | None = None,
        codec: Codec | None = None,
        middleware: Iterable[Middleware] = (),
    ) -> Callable[[F], F]:
        """Decorate a function through which what a queue gets goes to other queues; the queue keeps its messages.

        Its parameters are given as those of a listener (there is no `oms.ListenerContext`). What it returns is the new
        body; a message goes on as it is, a list of messages as several, None nowhere. It is stored, once, in one step
        with what the route has done of its source. A message on which the function fails comes again, then becomes a
        dead letter of the route. The route stays when the app stops, and goes on where it was.

        Args:
            source: the queue that is read.
            targets: one queue or up to 8.
            operators: before the function, as `oms.ResourceManager.create_routing` takes them, for example
                `"filter amount > 100"`.
            name: of the route; None: that of the function.
            start: where in the source it begins, the first time.
            trace: whether a property `route.hops` says which way a message came.
            retry: when a failed message comes back, and after how many deliveries it is dead.
            codec: how bodies are read and results are written; None: the app's.
            middleware: around this function, inside the app's.

        Raises OMSRuntimeException 1418 for a parameter that nothing can be passed to, and an operator that cannot be
        read. Starting raises OMSDestinationException 1406 where a route of that name has other settings.
        """
        names = sys._getframe(1).f_locals

        def add(function: F) -> F:
            made = make_route(
                function,
                names,
                queues=(source,),
                group="",
                codec=codec or self.codec,
                rules={},
                middleware=tuple(middleware),
                title=name or function.__name__,
                targets=(targets,) if isinstance(targets, str) else tuple(targets),
                operators=tuple(operators),
                start=start,
                trace=trace,
                retry=retry or Backoff(),
            )
            self.routes.append(made)
            return function

        return add

    async def provide(self, access_point: AccessPoint) -> None:
        """Make all of it."""
        manager = access_point.resource_manager()
        for queue, (partitions, settings) in self.queues.items():
            try:
                await manager.create_queue(queue, partitions, **settings)
            except OMSDestinationException as failure:
                if failure.code != 1406:
                    raise
                if settings:
                    await manager.update_queue(queue, **settings)
        for name, (queue, body, settings) in self.schedules.items():
            await manager.create_schedule(name, queue, body, replace=True, **settings)
        for route in self.routes:
            await route.provide(access_point)
