"""Producers, transactions and what has to do with sending."""

from __future__ import annotations

import asyncio
from typing import Any

from openmessaging.conformance.adapter.core import Core, as_bytes, as_document, as_message
from openmessaging.conformance.adapter.watching import ConsumerWatch, ProducerWatch
from openmessaging.model.errors import error
from openmessaging.model.json_form import from_value
from openmessaging.model.message import Message
from openmessaging.model.transaction import TransactionCheck
from openmessaging.runtime.prepared import TransactionStateCheckContext
from openmessaging.runtime.result import SendResult


def as_result(result: SendResult) -> dict[str, Any]:
    """A send result as the protocol writes it."""
    return {
        "messageId": result.message_id,
        "destination": result.destination,
        "partition": result.partition,
        "offset": result.offset,
        "storeTimestamp": result.store_timestamp,
        "durability": str(result.durability),
        "duplicate": result.duplicate,
    }


class Checks:
    """A listener that answers what it was told to answer, and counts how often it was asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self._came = asyncio.Event()

    def check(self, _: Message, context: TransactionStateCheckContext) -> None:
        """Answer."""
        self.asked.append(context.transaction_id)
        self._came.set()
        if self.answer == "raise":
            raise RuntimeError("the check fails, as it was told to")
        getattr(context, self.answer)()

    async def wait(self, count: int, timeout: float) -> list[str]:
        """Transaction ids asked about, once there are so many or the time is over."""
        deadline = asyncio.get_running_loop().time() + timeout
        while len(self.asked) < count and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                break
        return list(self.asked)


class Producing(Core):
    """Operations of producers."""

    async def do_create_producer(
        self,
        point: str,
        start: bool = True,
        check: str | None = None,
        check_times: dict[str, Any] | None = None,
        interceptors: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> str:
        """Create a producer; `check`: what its listener answers."""
        if check is not None:
            options["transaction_state_check_listener"] = Checks(check)
        if check_times is not None:
            options["transaction_check"] = TransactionCheck(**check_times)
        producer = self.get(point).create_producer(**options)
        for each in interceptors or []:
            producer.add_interceptor(ProducerWatch(each))
        if start:
            await producer.start()
        handle = self.keep("producer", producer)
        if check is not None:
            self._handles[f"{handle}/checks"] = options["transaction_state_check_listener"]
        return handle

    async def do_create_message(
        self,
        producer: str,
        queue: str,
        data: str,
        properties: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A message of the producer's factory."""
        values = {name: from_value(name, value) for name, value in (properties or {}).items()}
        factory = self.get(producer)
        return as_document(factory.create_message(queue, as_bytes(data), properties=values, **(header or {})))

    async def do_send(
        self, producer: str, message: dict[str, Any] | None = None, messages: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Send one message, or a batch; the messages as they are after it come along."""
        sender = self.get(producer)
        if message is not None:
            one = as_message(message)
            results = [await sender.send(one)]
            return {"results": [as_result(each) for each in results], "messages": [as_document(one)]}
        many = [as_message(each) for each in messages or []]
        results = list(await sender.send(many))
        return {"results": [as_result(each) for each in results], "messages": [as_document(each) for each in many]}

    async def do_send_async(self, producer: str, message: dict[str, Any]) -> str:
        """Hand a message over; returns a future."""
        return self.keep("future", self.get(producer).send_async(as_message(message)))

    async def do_future(self, future: str, timeout: float = 10.0) -> dict[str, Any]:
        """Wait for what a future holds."""
        found = self.get(future)
        try:
            result = await asyncio.wait_for(asyncio.shield(_waited(found)), timeout)
        except TimeoutError as cause:
            raise error(1410, f"{future} is not done") from cause
        return {"result": as_result(result), "isDone": found.is_done(), "isCancelled": found.is_cancelled()}

    async def do_send_oneway(self, producer: str, messages: list[dict[str, Any]]) -> None:
        """Send without a result, whatever becomes of it."""
        sender = self.get(producer)
        for each in messages:
            sender.send_oneway(as_message(each))

    async def do_flush(self, service: str) -> None:
        """Wait until what was sent, or settled, is durable."""
        await self.get(service).flush()

    async def do_send_once(
        self, producer: str, message: dict[str, Any], key: str | None = None, sequence: int | None = None
    ) -> dict[str, Any]:
        """Send unless it was sent before."""
        return as_result(await self.get(producer).send_once(as_message(message), key=key, sequence=sequence))

    async def do_last_sequence(self, producer: str, queue: str) -> int:
        """The last number of a named producer."""
        return int(self.get(producer).last_sequence(queue))

    async def do_prepare(self, producer: str, message: dict[str, Any]) -> dict[str, Any]:
        """Store a message that nobody receives before it is committed."""
        result = await self.get(producer).prepare(as_message(message))
        return {
            "transaction": self.keep("transaction", result),
            "messageId": result.message_id,
            "transactionId": result.transaction_id,
        }

    async def do_begin(self, producer: str) -> str:
        """A transaction over queues and acknowledgements."""
        return self.keep("transaction", self.get(producer).transaction())

    async def do_transaction_send(self, transaction: str, message: dict[str, Any]) -> None:
        """Send within a transaction."""
        await self.get(transaction).send(as_message(message))

    async def do_transaction_ack(self, transaction: str, consumer: str, receipts: list[str]) -> None:
        """Acknowledge within a transaction."""
        held = self._handles[f"{consumer}/held"]
        await self.get(transaction).ack([held[receipt] for receipt in receipts])

    async def do_commit(self, transaction: str) -> None:
        """Let it take effect."""
        await self.get(transaction).commit()

    async def do_rollback(self, transaction: str) -> None:
        """Let nothing of it take effect."""
        await self.get(transaction).rollback()

    async def do_checks(self, producer: str, count: int, timeout: float) -> list[str]:
        """Transaction ids that the producer's listener was asked about."""
        checks: Checks = self.get(f"{producer}/checks")
        return await checks.wait(count, timeout)

    async def do_cancel_delayed(self, producer: str, queue: str, message_id: str) -> bool:
        """Take a delayed message back."""
        return bool(await self.get(producer).cancel(queue, message_id))

    async def do_reschedule(self, producer: str, queue: str, message_id: str, delay: float) -> bool:
        """Let a delayed message be due at another time."""
        return bool(await self.get(producer).reschedule(queue, message_id, delay=delay))

    async def do_intercepted(self, service: str) -> list[list[str]]:
        """What the interceptors of a producer or consumer saw: hook, interceptor's name, body."""
        found = self.get(service)._interceptors
        watches = [each for each in found if isinstance(each, ProducerWatch | ConsumerWatch)]
        return sorted((event for watch in watches for event in watch.events), key=lambda event: int(event[3]))


async def _waited(future: Any) -> Any:
    return await future
