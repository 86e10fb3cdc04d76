"""Request and reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from openmessaging.conformance.adapter.core import Core, as_document, as_message
from openmessaging.model.errors import error
from openmessaging.runtime.rpc import Request


class Handler:
    """A service that does what it was told: `echo`, `fail` (1418), `crash`, `hold` (until it is cancelled)."""

    def __init__(self, behaviour: str) -> None:
        self.seen: list[str] = []
        self.cancelled = 0
        self._behaviour = behaviour
        self._event = asyncio.Event()

    async def handle(self, request: Request) -> bytes | None:
        """One answer."""
        self.seen.append(request.data.decode())
        self._event.set()
        match self._behaviour:
            case "fail":
                raise error(1418, "the service refuses, as it was told to")
            case "crash":
                raise ValueError("the service crashes, as it was told to")
            case "hold":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled += 1
                    self._event.set()
            case "nothing":
                return None
        return b"echo " + request.data

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        """Five answers."""
        self.seen.append(request.data.decode())
        for number in range(5):
            yield request.data + b" %d" % number

    async def wait(self, count: int, cancelled: int, timeout: float) -> dict[str, Any]:
        """What it saw, once there is so much."""
        deadline = asyncio.get_running_loop().time() + timeout
        while len(self.seen) < count or self.cancelled < cancelled:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            self._event.clear()
            try:
                await asyncio.wait_for(self._event.wait(), left)
            except TimeoutError:
                break
        return {"seen": list(self.seen), "cancelled": self.cancelled}


class Calling(Core):
    """Operations of services and requests."""

    async def do_create_service(self, point: str, queue: str, behaviour: str, **options: Any) -> str:
        """Start a service."""
        handler = Handler(behaviour)
        function = handler.stream if behaviour == "stream" else handler.handle
        service = self.get(point).create_service(queue, function, **options)
        await service.start()
        handle = self.keep("service", service)
        self._handles[f"{handle}/handler"] = handler
        return handle

    async def do_served(self, service: str, count: int = 0, cancelled: int = 0, timeout: float = 5.0) -> dict[str, Any]:
        """What a service saw."""
        handler: Handler = self.get(f"{service}/handler")
        return await handler.wait(count, cancelled, timeout)

    async def do_request(self, producer: str, message: dict[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """Ask, and return the answer."""
        return as_document(await self.get(producer).request(as_message(message), timeout))

    async def do_request_all(self, producer: str, message: dict[str, Any], timeout: float = 5.0) -> dict[str, Any]:
        """Ask all groups."""
        replies = await self.get(producer).request_all(as_message(message), timeout)
        return {
            "messages": [as_document(each) for each in replies.messages],
            "errors": [each.code for each in replies.errors],
            "complete": replies.complete,
        }

    async def do_request_stream(
        self, producer: str, message: dict[str, Any], timeout: float = 5.0
    ) -> list[dict[str, Any]]:
        """Ask, and return all that is answered."""
        async with self.get(producer).request_stream(as_message(message), timeout) as stream:
            return [as_document(each) async for each in stream]

    async def do_services(self, producer: str, queue: str) -> int:
        """How many services a queue has."""
        return len(await self.get(producer).services(queue))
