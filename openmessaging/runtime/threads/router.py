# Generated from openmessaging/runtime/aio/router.py by scripts/unasync.py: change that file instead.
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
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.required import require
from openmessaging.runtime.routed import Outgoing, passes, returned, working_copy
from openmessaging.runtime.threads.lifecycle import Service
from openmessaging.runtime.threads.primitives import Driver, Event, Task, call
from openmessaging.runtime.threads.pump import fail
from openmessaging.runtime.threads.push import PushConsumer
from openmessaging.runtime.threads.received import ReceivedMessage, by_lease

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint

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

    def _open(self) -> None:
        self._driver = self._access_point.get_driver()
        require(self._driver.capabilities, Capability.ROUTING)
        require(self._driver.capabilities, Capability.TRANSACTIONS)
        self._stopping.clear()
        self._look()
        self._watcher = Task(self._watch)
        self._access_point.attach(self)

    def _close(self) -> None:
        self._access_point.detach(self)
        self._stopping.set()
        self._watcher.join()
        for name in list(self._running):
            self._leave(name)

    def _watch(self) -> None:
        while not self._stopping.wait_within(WATCH):
            try:
                self._look()
            except OMSRuntimeException as failure:
                logger.warning("looking for routes failed, trying again: %s", failure)

    def _look(self) -> None:
        """Begin with routes that came, end with those that went."""
        infos = self._driver.list_routes(self._access_point.namespace)
        wanted = {info.route.name: info.route for info in infos if self._can_run(info.route)}
        for name in [name for name, (route, _) in self._running.items() if wanted.get(name) != route]:
            self._leave(name)
        for name, route in wanted.items():
            if name not in self._running:
                self._begin(route)

    def _can_run(self, route: Route) -> bool:
        return bool(route.functions) and self._functions.keys() >= set(route.functions)

    def _begin(self, route: Route) -> None:
        counts = [call(self._driver.partition_count, target) for target in route.targets]
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
        consumer.bind_queue(route.source, Serving(self._driver, route, self._functions, counts).serve, batch=True)
        consumer.start()
        self._running[route.name] = route, consumer
        try:
            self._driver.describe_route(route.name)
        except OMSDestinationException:  # deleted just before, and the consumer made its group anew
            self._leave(route.name)
            self._driver.delete_group(route.source, route.group)

    def _leave(self, name: str) -> None:
        _, consumer = self._running.pop(name)
        consumer.stop()


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

    def serve(self, messages: Sequence[ReceivedMessage], _: object) -> None:
        """Take messages through the operators, and commit what became of them; those that fail go back by themselves.

        Raises OMSRuntimeException when the commit is refused: nothing was done then.
        """
        outgoing = Outgoing(self._route, self._counts, self._driver.max_body_bytes)
        done: list[ReceivedMessage] = []
        for message in messages:
            try:
                outgoing.add(message, self._transformed(message))
                done.append(message)
            except Exception as failure:
                fail([message], failure)
        leases = list(by_lease(done)) if done else []
        if leases:
            settlements = [Settlement(lease.settler, lease.id, offsets) for lease, offsets in leases]
            self._driver.commit(outgoing.batches(), settlements)
        for lease, offsets in leases:
            lease.settled(offsets)

    def _transformed(self, message: ReceivedMessage) -> list[Message]:
        found = [working_copy(message)]
        for stage in self._stages:
            if isinstance(stage, str):
                made: list[Message] = []
                for each in found:
                    made += returned(call(self._functions[stage], each), each)
                found = made
            else:
                found = [each for each in found if passes(stage, each)]
        return found
