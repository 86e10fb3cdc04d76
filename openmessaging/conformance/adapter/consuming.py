"""Pull, push and streaming consumers."""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.conformance.adapter.core import Core, as_document
from openmessaging.conformance.adapter.watching import ConsumerWatch
from openmessaging.model.settings import Backoff
from openmessaging.runtime.context import ListenerContext


class Listener:
    """What a push consumer calls; `settings`: `fail`, how many deliveries of each message raise; `hold`, wait for
    `letGo` before returning; `ack`, in manual mode whether to acknowledge."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.active = 0
        self.most = 0
        self.cancelled = 0
        self._settings = settings
        self._came = asyncio.Event()
        self.go = asyncio.Event()
        if not settings.get("hold"):
            self.go.set()

    async def one(self, message: Any, context: ListenerContext) -> None:
        """A listener of single messages."""
        await self.many([message], context)

    async def many(self, messages: list[Any], context: ListenerContext) -> None:
        """A listener of batches."""
        self.calls.append([{"message": as_document(each), "receipt": str(each.receipt)} for each in messages])
        self.active += 1
        self.most = max(self.most, self.active)
        self._came.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.active -= 1
        if any((each.delivery_count or 1) <= self._settings.get("fail", 0) for each in messages):
            raise RuntimeError("the listener fails, as it was told to")
        if self._settings.get("first"):
            context.success(messages[0])
        elif self._settings.get("ack"):
            context.ack()

    async def wait(self, count: int, timeout: float) -> dict[str, Any]:
        """The calls so far, once so many messages came or the time is over."""
        deadline = asyncio.get_running_loop().time() + timeout
        while sum(map(len, self.calls)) < count and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                break
        return {"calls": list(self.calls), "most": self.most, "active": self.active}


class Consuming(Core):
    """Operations of consumers."""

    async def do_create_pull_consumer(
        self,
        point: str,
        queues: list[str] | None = None,
        group: str | None = None,
        start: str = "earliest",
        started: bool = True,
        interceptors: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> str:
        """Create a pull consumer; `start`: where a new group begins."""
        consumer = self.get(point).create_pull_consumer(queues, group, start=start, **_settings(options))
        for each in interceptors or []:
            consumer.add_interceptor(ConsumerWatch(each))
        if started:
            await consumer.start()
        handle = self.keep("consumer", consumer)
        self._handles[f"{handle}/held"] = {}
        return handle

    async def do_bind_queues(self, consumer: str, queues: list[str]) -> None:
        """Bind queues to a pull consumer."""
        await self.get(consumer).bind_queue(queues)

    async def do_unbind_queues(self, consumer: str, queues: list[str]) -> None:
        """Unbind queues of any consumer."""
        await self.get(consumer).unbind_queue(queues)

    async def do_bound_queues(self, consumer: str) -> list[str] | None:
        """Full names, null when there are none."""
        bound = self.get(consumer).get_bind_queues()
        return None if bound is None else sorted(bound)

    async def do_receive(
        self, consumer: str, max_messages: int | None = None, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """Messages; without `maxMessages` the single receive, of which null is an empty list."""
        found = self.get(consumer)
        if max_messages is None:
            message = await found.receive(timeout)
            messages = [] if message is None else [message]
        else:
            messages = await found.batch_receive(max_messages, timeout)
        held = self._handles.get(f"{consumer}/held", {})
        held.update({str(each.receipt): each for each in messages})
        return [{"message": as_document(each), "receipt": str(each.receipt)} for each in messages]

    async def do_receive_from(
        self, consumer: str, queue: str, partition: int, offset: int, max_messages: int = 100, timeout: float = 0.0
    ) -> list[dict[str, Any]]:
        """Messages from a place, as documents."""
        found = self.get(consumer)
        messages = await found.receive_from(queue, partition, offset, max_messages=max_messages, timeout=timeout)
        return [as_document(each) for each in messages]

    def _which(self, consumer: str, receipt: str, as_text: bool) -> Any:
        held = self._handles.get(f"{consumer}/held", {})
        return receipt if as_text else held.get(receipt, receipt)

    async def do_ack(self, consumer: str, receipts: list[str], as_text: bool = False) -> None:
        """Acknowledge deliveries; `asText`: by their receipts' text alone, as another process would."""
        await self.get(consumer).ack([self._which(consumer, each, as_text) for each in receipts])

    async def do_nack(
        self, consumer: str, receipt: str, delay: float | None = None, reason: str = "", as_text: bool = False
    ) -> None:
        """Give a delivery back as failed."""
        await self.get(consumer).nack(self._which(consumer, receipt, as_text), delay, reason)

    async def do_reject(self, consumer: str, receipt: str, reason: str = "") -> None:
        """Make a dead letter of it now."""
        await self.get(consumer).reject(self._which(consumer, receipt, False), reason)

    async def do_extend(self, consumer: str, receipt: str, seconds: float) -> None:
        """Keep it hidden for longer."""
        await self.get(consumer).extend(self._which(consumer, receipt, False), seconds)

    async def do_create_push_consumer(
        self,
        point: str,
        group: str | None = None,
        start: str = "earliest",
        started: bool = True,
        interceptors: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> str:
        """Create a push consumer; queues are bound with `bindListener`."""
        consumer = self.get(point).create_push_consumer(group, start=start, **_settings(options))
        for each in interceptors or []:
            consumer.add_interceptor(ConsumerWatch(each))
        if started:
            await consumer.start()
        return self.keep("consumer", consumer)

    async def do_bind_listener(
        self, consumer: str, queues: list[str], listener: dict[str, Any] | None = None, batch: bool = False
    ) -> str:
        """Bind queues to a push consumer with a listener of the adapter's; returns the listener."""
        made = Listener(listener or {})
        await self.get(consumer).bind_queue(queues, made.many if batch else made.one, batch=batch)
        return self.keep("listener", made)

    async def do_deliveries(self, listener: str, count: int, timeout: float) -> dict[str, Any]:
        """The calls of a listener, once so many messages came."""
        found: Listener = self.get(listener)
        return await found.wait(count, timeout)

    async def do_let_go(self, listener: str) -> None:
        """Let held listeners return, now and from now on."""
        self.get(listener).go.set()

    async def do_suspend(self, consumer: str, timeout: float | None = None) -> None:
        """Receive nothing new."""
        self.get(consumer).suspend(timeout)

    async def do_resume(self, consumer: str) -> None:
        """Receive again."""
        self.get(consumer).resume()

    async def do_is_suspended(self, consumer: str) -> bool:
        """Whether it is."""
        return bool(self.get(consumer).is_suspended())

    async def do_create_streaming_consumer(self, point: str) -> str:
        """Create a streaming consumer."""
        consumer = self.get(point).create_streaming_consumer()
        await consumer.start()
        return self.keep("streaming", consumer)

    async def do_list_streams(self, streaming: str, queue: str) -> list[str]:
        """Streams of a queue."""
        return list(await self.get(streaming).list_streams(queue))

    async def do_seek_stream(self, streaming: str, stream: str, to: str) -> str:
        """An iterator at `beginning`, `end` or a position."""
        found = self.get(streaming)
        if to == "beginning":
            return self.keep("iterator", await found.seek_to_beginning(stream))
        if to == "end":
            return self.keep("iterator", await found.seek_to_end(stream))
        return self.keep("iterator", await found.seek(stream, to))

    async def do_walk(self, iterator: str, step: str) -> Any:
        """One of hasNext, next, nextPosition, hasPrevious, previous, previousPosition."""
        found = self.get(iterator)
        match step:
            case "next":
                return as_document(await found.next())
            case "previous":
                return as_document(await found.previous())
            case "hasNext":
                return await found.has_next()
            case "hasPrevious":
                return await found.has_previous()
            case "nextPosition":
                return await found.next_position()
            case _:
                return await found.previous_position()


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    backoff = options.pop("backoff", None)
    if backoff is not None:
        renamed = {"maxDelivery": "max_delivery"}
        options["backoff"] = Backoff(**{renamed.get(name, name): value for name, value in backoff.items()})
    return options
