"""The adapter of this library, whole: in this process (`Direct`), and behind stdio (`serve`)."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from openmessaging.conformance.adapter.calling import Calling
from openmessaging.conformance.adapter.consuming import Consuming
from openmessaging.conformance.adapter.producing import Producing
from openmessaging.conformance.adapter.resources import Resources
from openmessaging.conformance.protocol import from_error, to_error


class Adapter(Producing, Consuming, Resources, Calling):
    """All operations over one URL."""


class Direct:
    """This library in this process, as an implementation under test."""

    def __init__(self, url: str, attributes: dict[str, Any] | None = None) -> None:
        self._adapter = Adapter(url, attributes)

    async def perform(self, operation: str, arguments: dict[str, Any]) -> Any:
        """See `Implementation`."""
        try:
            return await self._adapter.perform(operation, arguments)
        except Exception as failure:
            raise from_error(to_error(failure)) from failure

    async def close(self) -> None:
        """Let everything go."""
        await self._adapter.close()


class _Session:
    """One peer on stdio: requests are done at once, side by side, and answered as they end."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, line: bytes) -> None:
        """A line from the kit."""
        request = json.loads(line)
        if "cancel" in request:
            task = self._tasks.get(request["cancel"])
            if task is not None:
                task.cancel()
            return
        number = int(request["id"])
        task = asyncio.get_running_loop().create_task(self._do(number, request))
        self._tasks[number] = task

    async def _do(self, number: int, request: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": number}
        try:
            answer["result"] = await self._adapter.perform(request["operation"], request.get("arguments", {}))
        except asyncio.CancelledError:
            answer["error"] = {"class": "cancelled", "code": None, "reason": "cancelled by the kit"}
        except Exception as failure:
            answer["error"] = to_error(failure)
        finally:
            self._tasks.pop(number, None)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    async def close(self) -> None:
        """End what goes on."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._adapter.close()


async def serve(url: str, attributes: dict[str, Any] | None = None) -> None:
    """Speak the protocol on standard input and output until the input ends."""
    reader = asyncio.StreamReader(limit=64 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    session = _Session(Adapter(url, attributes))
    try:
        while line := await reader.readline():
            session.take(line)
    finally:
        await session.close()
