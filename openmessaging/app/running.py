"""An app while it runs: access point, producer, a push consumer per listener, an endpoint per service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from types import NoneType
from typing import TYPE_CHECKING, Any

from openmessaging.app.codec import encode
from openmessaging.app.listener import Listener, Watch, handler
from openmessaging.app.route import routing
from openmessaging.app.rules import judge
from openmessaging.app.service import Service, answering
from openmessaging.model.message import Message
from openmessaging.model.spi import Capability, GroupInfo
from openmessaging.runtime.aio.access_point import AccessPoint
from openmessaging.runtime.aio.push import PushConsumer
from openmessaging.runtime.aio.received import ReceivedMessage
from openmessaging.runtime.aio.router import Router
from openmessaging.runtime.aio.service import ServiceEndpoint
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.verdict import Reject, Retry

if TYPE_CHECKING:
    from openmessaging.app.application import App

LOOK = 0.1
"""Seconds between looks at what is left."""


class Running:
    """What lives from an app's start to its end."""

    def __init__(self, app: App, access_point: AccessPoint, watch: Watch) -> None:
        self._app = app
        self._watch = watch
        self._stack = AsyncExitStack()
        self.access_point = access_point
        self.producer = self.access_point.create_producer()
        self.consumers: dict[Listener, PushConsumer] = {}
        self.endpoints: dict[Service, ServiceEndpoint] = {}
        self.router: Router | None = None
        """Runs the routes, if there are any."""
        self.ready = False
        """Whether all listeners have started and none stops yet."""

    async def open(self) -> None:
        """Open everything; what was opened is closed again when something fails."""
        try:
            await self._stack.enter_async_context(self.access_point)
            await self._stack.enter_async_context(self.producer)
            await self._app.provide(self.access_point)
            if self._app.lifespan is not None:
                await self._stack.enter_async_context(self._app.lifespan(self._app))
            for relay in self._app.relays:
                await relay.start()
                self._stack.push_async_callback(relay.stop)
            for listener in self._app.listeners:
                consumer = self._consumer(listener)
                await consumer.bind_queue(listener.queues, self._served(listener), batch=listener.batch is not None)
                self.consumers[listener] = consumer
                await consumer.start()
            for service in self._app.services:
                endpoint = self.endpoints[service] = self._endpoint(service)
                await endpoint.start()
            if self._app.routes:
                functions = {route.title: routing(route, self._app, self._watch) for route in self._app.routes}
                self.router = self.access_point.create_router(functions)
                await self.router.start()
            self.ready = True
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listeners and services, all at once, then leave the rest in reverse."""
        self.ready = False
        parts = [*self.consumers.values(), *self.endpoints.values(), *([self.router] if self.router else [])]
        stops = [each.stop() for each in parts]
        try:
            failures = [each for each in await asyncio.gather(*stops, return_exceptions=True) if each is not None]
            if failures:
                raise failures[0]
        finally:
            await self._stack.aclose()

    async def work_off(self, stop: asyncio.Event) -> None:
        """Return when nothing is due for any listener, twice in a row with nothing done in between; or on `stop`."""
        before: object = None
        while not stop.is_set():
            groups = await self._groups()
            done = [group.floors for group in groups]
            if done == before and not any(group.in_flight or group.lag > group.retrying for group in groups):
                return
            before = done
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await stop.wait()

    async def _groups(self) -> list[GroupInfo]:
        manager = self.access_point.resource_manager()
        pairs = [(queue, listener.group) for listener in self.consumers for queue in listener.queues]
        return [await manager.describe_group(queue, group) for queue, group in pairs]

    def _consumer(self, listener: Listener) -> PushConsumer:
        return self.access_point.create_push_consumer(
            listener.group,
            order=listener.order,
            start=listener.start,
            invisible_time=listener.invisible_time,
            backoff=listener.retry,
            update=True,
            filter=listener.filter,
            concurrency=listener.concurrency,
            batch_size=listener.batch or 1,
            max_processing=listener.max_processing,
            grace=self._app.grace,
        )

    def _endpoint(self, service: Service) -> ServiceEndpoint:
        return self.access_point.create_service(
            service.queue,
            answering(service, self._app, self._watch),
            group=service.group,
            concurrency=service.concurrency,
            invisible_time=service.invisible_time,
            backoff=service.retry,
            grace=self._app.grace,
        )

    def _served(self, listener: Listener) -> Callable[[Any, ListenerContext], Any]:
        """What the push consumer calls: the handler, then the rules, then the sending of the result."""
        handle = handler(listener, self._app, self._app.dependency_overrides, self._watch)
        rules = (listener.rules, self._app.rules)
        if listener.sends_to is None and listener.signature.result is NoneType and not any(rules):
            return handle

        async def serve(message: Any, context: ListenerContext) -> None:
            try:
                result = await handle(message, context)
            except (Reject, Retry):
                raise
            except Exception as failure:
                result = await judge(rules, failure, message)
            if result is not None and (replies := self._replies(listener, message, result)):
                await self._reply([message] if listener.batch is None else message, replies)

        return serve

    async def _reply(self, received: list[ReceivedMessage], replies: list[Message]) -> None:
        """Send the result, and acknowledge what it came from in the same step where the system can do that."""
        if Capability.TRANSACTIONS not in self.access_point.capabilities:
            await self.producer.send(replies)
            return
        async with self.producer.transaction() as transaction:
            await transaction.send(replies)
            await transaction.ack([each for each in received if each.leased_offset in each.lease.pending])

    def _replies(self, listener: Listener, message: Any, result: Any) -> list[Message]:
        """The messages that a result means."""
        several = isinstance(result, list | tuple)
        if several and (listener.batch is not None or all(isinstance(each, Message) for each in result)):
            key, results = None, result
        else:
            key, results = message.message_key if listener.batch is None else None, [result]
        made = []
        for each in results:
            if isinstance(each, Message) and not isinstance(each, ReceivedMessage):
                made.append(each)
            elif listener.sends_to is not None:
                made.append(self._reply_of(listener, listener.sends_to, key, each))
        return made

    def _reply_of(self, listener: Listener, queue: str, key: str | None, result: Any) -> Message:
        if isinstance(result, ReceivedMessage):  # handed on
            key, properties = result.message_key, dict(result.properties)
            return self.producer.create_message(queue, result.data, message_key=key, properties=properties)
        return self.producer.create_message(queue, encode(listener.codec, result), message_key=key)
