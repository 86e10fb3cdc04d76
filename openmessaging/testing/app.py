"""The test kit of applications: an app on the real engine, in memory, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from openmessaging.app.application import App
from openmessaging.app.codec import decoder
from openmessaging.app.listener import Callee
from openmessaging.app.plan import Call as Planned
from openmessaging.app.plan import waits
from openmessaging.broker.store import Store, StoreOptions, open_memory
from openmessaging.drivers.embedded import driver
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.access_point import parse
from openmessaging.model.destination import full_name
from openmessaging.model.errors import OMSDestinationException
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.message import Message
from openmessaging.runtime.aio.access_point import connect
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.result import SendResult
from openmessaging.testing.time import VirtualTime

TURNS = 10
"""Turns of the event loop without any change after which nothing more will come by itself."""
PATIENCE = 10.0
"""Seconds that a call may work on something real."""
STUCK = 0.1
"""Seconds after which a call that has set a timer is taken to wait for the clock."""


class Call(msgspec.Struct, frozen=True):
    """A call of a listener or a service."""

    body: Any
    """What it got: the body, or a list of them."""
    message: Any
    """The message, or a list of them."""
    result: Any = None
    error: BaseException | None = None


class TestApp:
    """Runs an app on a store of its own: `async with oms.testing.TestApp(app) as test:`.

    Queues, leases, back-off, delays and dead letters are the engine's own. Time stands still until `advance`.

    Args:
        app: the app as it is; its access point is not opened.
        overrides: functions that stand in for dependencies while the test lasts.
    """

    __test__ = False

    def __init__(self, app: App, *, overrides: Mapping[Callable[..., Any], Callable[..., Any]] | None = None) -> None:
        self.app = app
        self._overrides = dict(overrides or {})
        self._calls: dict[Callable[..., Any], list[Call]] = {}
        self._at_work = 0
        self._in_threads = 0
        self._store: Store
        self._driver: BlockingEmbeddedDriver
        self._time: VirtualTime
        self._usual_timers = 0

    async def __aenter__(self) -> Self:
        self._time = VirtualTime(asyncio.get_running_loop())
        attributes = parse(self.app.url).attributes(self.app.attributes)
        known = {name: value for name, value in attributes.items() if name in StoreOptions.__struct_fields__}
        options = msgspec.convert({**known, "flush": "never"}, StoreOptions)
        self._store = open_memory(options, clock=self._time.clock, upkeep=False)
        name = f"test-{uuid.uuid4().hex}"
        self._driver = driver.lend(f"memory:{name}", self._store, options)
        namespace = parse(self.app.url).namespace or self.app.namespace
        kept = {key: value for key, value in attributes.items() if key not in known}
        before = dict(self.app.dependency_overrides)
        self.app.dependency_overrides.update(self._overrides)
        try:
            await self.app.launch(connect(f"oms:memory:{name}", kept, namespace=namespace), self._watch)
        except BaseException:
            self._close()
            raise
        finally:
            self.app.dependency_overrides.clear()
            self.app.dependency_overrides.update(before)
        await self.settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.app.stop()
        finally:
            self._close()

    async def send(
        self,
        queue: str,
        value: Any,
        *,
        key: str | None = None,
        properties: dict[str, PropertyValue] | None = None,
        **headers: Any,
    ) -> SendResult:
        """As `App.send`; returns when the listeners have worked off all that is due."""
        result = await self.app.send(queue, value, key=key, properties=properties, **headers)
        await self.settle()
        return result

    async def advance(self, seconds: float) -> None:
        """Let time pass: back-offs, delays, leases and the timers of the event loop, each in its turn."""
        clock = self._time.clock
        end = clock.monotonic() + seconds
        await self.settle(stuck=STUCK / 10)
        while (left := end - clock.monotonic()) > 1e-9:
            deadline = self._next_deadline()
            idle = not self._at_work and not self._store.runner.engine.leases
            waits_for = [each for each in (deadline, self._time.until_timer(idle=idle)) if each is not None]
            self._time.move(min([left, *waits_for]) if min(waits_for, default=left) > 0 else min(left, 0.001))
            await self.settle(stuck=STUCK / 10)

    async def settle(self, *, stuck: float = STUCK) -> None:
        """Return when the listeners have worked off all that is due now; a call that waits for the clock, or for
        longer than ten real seconds, is left waiting."""
        seen: object = None
        still = 0
        since = time.monotonic()
        while True:
            await asyncio.sleep(0 if still < TURNS else 0.001)
            self._store.maintenance.work(full_round=False)
            state = (self._store.runner.storage.max_index(), self._at_work, sum(map(len, self._calls.values())))
            if state != seen:
                seen, still, since = state, 0, time.monotonic()
                continue
            still += 1
            if still < TURNS:
                continue
            if not self._at_work and not self._store.runner.engine.leases:
                self._usual_timers = self._time.timers()
                return
            waits_for_clock = not self._in_threads and self._time.timers() > self._usual_timers
            if time.monotonic() - since > (stuck if waits_for_clock else PATIENCE):
                return

    def calls(self, function: Callable[..., Any]) -> list[Call]:
        """The calls of a listener or a service that have ended, in order."""
        return list(self._calls.get(function, ()))

    def received(self, function: Callable[..., Any]) -> list[Any]:
        """The bodies that a listener was called with, in order, redeliveries included."""
        return [call.body for call in self.calls(function)]

    def messages(self, queue: str) -> list[Message]:
        """All messages of a queue, consumed or not; none when there is no such queue."""
        self._store.hand_overs.record()
        name = full_name(queue, self.app.access_point.namespace)
        try:
            info = self._driver.describe_queue(name)
        except OMSDestinationException:
            return []
        found: list[Message] = []
        for number, (first, after) in enumerate(info.offsets):
            for delivery in self._driver.read(name, number, first, after - first):
                origin = DeliveryOrigin(delivery)
                members = enumerate(origin.members, delivery.first)
                found += [Message(record, name, origin, place) for place, record in members]
        return found

    def sent(self, queue: str, kind: Any = Any) -> list[Any]:
        """The bodies of all messages of a queue as values of a type, consumed or not."""
        decode = decoder(self.app.codec, kind)
        return [decode(message.data) for message in self.messages(queue)]

    def dead_letters(self, queue: str, group: str | None = None) -> list[Message]:
        """The dead letters of a group of a queue; `properties["dead-letter.reason"]` says why."""
        return self.messages(f"{queue}.{group or self.app.group}.dead-letter")

    def _watch(self, callee: Callee, planned: Planned) -> Planned:
        calls = self._calls.setdefault(callee.function, [])
        threaded = not waits(callee.function)

        async def call(body: Any, message: Any, context: Any) -> Any:
            self._at_work += 1
            self._in_threads += threaded
            try:
                result = await planned(body, message, context)
            except BaseException as error:
                calls.append(Call(body, message, error=error))
                raise
            else:
                calls.append(Call(body, message, result))
                return result
            finally:
                self._at_work -= 1
                self._in_threads -= threaded

        return call

    def _next_deadline(self) -> float | None:
        """Seconds until the store has something to do."""
        runner = self._store.runner
        with runner.lock:
            times = [each for each in (runner.engine.next_deadline(), runner.alarm.next_ms()) if each is not None]
        return (min(times) - runner.clock.now_ms()) / 1000 if times else None

    def _close(self) -> None:
        self._driver.close()
        self._time.close()
