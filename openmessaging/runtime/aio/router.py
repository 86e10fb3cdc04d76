"""The router: runs routes with functions in the process that has the functions.

Each is a push consumer of its route's group. What is made of a batch goes to the targets in the commit that settles the
batch (`Driver.commit`): a crash leaves all of it or nothing, and what was not committed comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, error
from openmessaging.model.message import Message
from openmessaging.model.routing import Route, Transform
from openmessaging.model.spi import Capability, GroupConfig
from openmessaging.model.transaction import Settlement
from openmessaging.routing.leading import behind_filter
from openmessaging.routing.steps import Step, step_of
from openmessaging.runtime.aio.lifecycle import Service
from openmessaging.runtime.aio.primitives import Driver, Event, Task, call
from openmessaging.runtime.aio.pump import fail
from openmessaging.runtime.aio.push import PushConsumer
from openmessaging.runtime.aio.received import ReceivedMessage, by_lease
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.required import require
from openmessaging.runtime.routed import Outgoing, passes, returned, working_copy

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

WATCH = 1.0
"""Seconds after which a router looks for routes that came or went."""
Function = Callable[[Message], Any]


class Router(Service):
    """Runs the routes whose functions it has. Create it with `access_point.create_router`."""

    _kind = "router"

    def __init__(
        self, access_point: AccessPoint, functions: Mapping[str, Function], *, concurrency: int, batch_size: int
    ) -> None:
        super().__init__()
        if concurrency < 1 or batch_size < 1:
            raise error(1418, "concurrency and batch_size are at least 1", field="concurrency")
        self._access_point = access_point
        self._functions = dict(functions)
        self._concurrency = concurrency
        self._batch_size = batch_size
        self._running: dict[str, tuple[Route, PushConsumer]] = {}
        self._stopping = Event()
        self._watcher: Task
        self._driver: Driver

    @property
    def running(self) -> list[str]:
        """Full names of the routes that it runs at the moment."""
        return sorted(self._running)

    def troubles(self) -> list[str]:
        """Why a route is not well, with its name and queue before each; none when all are."""
        return [
            f"{name}, {trouble}"
            for name, (_, consumer) in list(self._running.items())
            for trouble in consumer.troubles()
        ]

    async def _open(self) -> None:
        self._driver = await self._access_point.get_driver()
        require(self._driver.capabilities, Capability.ROUTING)
        require(self._driver.capabilities, Capability.TRANSACTIONS)
        self._stopping.clear()
        await self._look()
        self._watcher = Task(self._watch)
        self._access_point.attach(self)

    async def _close(self) -> None:
        self._access_point.detach(self)
        self._stopping.set()
        await self._watcher.join()
        for name in list(self._running):
            await self._leave(name)

    async def _watch(self) -> None:
        while not await self._stopping.wait_within(WATCH):
            try:
                await self._look()
            except OMSRuntimeException as failure:
                logger.warning("looking for routes failed, trying again: %s", failure)

    async def _look(self) -> None:
        """Begin with routes that came, end with those that went."""
        infos = await self._driver.list_routes(self._access_point.namespace)
        wanted = {info.route.name: info.route for info in infos if self._can_run(info.route)}
        for name in [name for name, (route, _) in self._running.items() if wanted.get(name) != route]:
            await self._leave(name)
        for name, route in wanted.items():
            if name not in self._running:
                await self._begin(route)

    def _can_run(self, route: Route) -> bool:
        return bool(route.functions) and self._functions.keys() >= set(route.functions)

    async def _begin(self, route: Route) -> None:
        counts = [await call(self._driver.partition_count, target) for target in route.targets]
        consumer = PushConsumer(
            self._access_point,
            Membership(route.group, GroupConfig(order="key", backoff=route.backoff), False, False),
            concurrency=self._concurrency,
            batch_size=self._batch_size,
            auto_ack=False,
            max_processing=900.0,
            grace=30.0,
        )
        consumer.transacts = True
        await consumer.bind_queue(route.source, Serving(self._driver, route, self._functions, counts).serve, batch=True)
        await consumer.start()
        self._running[route.name] = route, consumer
        try:
            await self._driver.describe_route(route.name)
        except OMSDestinationException:  # deleted just before, and the consumer made its group anew
            await self._leave(route.name)
            await self._driver.delete_group(route.source, route.group)

    async def _leave(self, name: str) -> None:
        _, consumer = self._running.pop(name)
        await consumer.stop()


class Serving:
    """One route at work."""

    def __init__(self, driver: Driver, route: Route, functions: Mapping[str, Function], counts: Sequence[int]) -> None:
        self._driver = driver
        self._route = route
        self._counts = counts
        self._stages: list[Step | str] = []
        """Operators in order; the names of functions."""
        for number, operator in behind_filter(route.operators):
            step = step_of(operator, number)
            self._stages.append(operator.function if isinstance(operator, Transform) else step)  # type: ignore[arg-type]
        self._functions = functions

    async def serve(self, messages: Sequence[ReceivedMessage], _: object) -> None:
        """Take messages through the operators, and commit what became of them; those that fail go back by themselves.

        Raises OMSRuntimeException when the commit is refused: nothing was done then.
        """
        outgoing = Outgoing(self._route, self._counts, self._driver.max_body_bytes)
        done: list[ReceivedMessage] = []
        for message in messages:
            try:
                outgoing.add(message, await self._transformed(message))
                done.append(message)
            except Exception as failure:
                fail([message], failure)
        leases = list(by_lease(done)) if done else []
        if leases:
            settlements = [Settlement(lease.settler, lease.id, offsets) for lease, offsets in leases]
            await self._driver.commit(outgoing.batches(), settlements)
        for lease, offsets in leases:
            lease.settled(offsets)

    async def _transformed(self, message: ReceivedMessage) -> list[Message]:
        found = [working_copy(message)]
        for stage in self._stages:
            if isinstance(stage, str):
                made: list[Message] = []
                for each in found:
                    made += returned(await call(self._functions[stage], each), each)
                found = made
            else:
                found = [each for each in found if passes(stage, each)]
        return found
