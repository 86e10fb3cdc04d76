"""An implementation under test in a process of its own: requests and answers are JSON lines on its stdio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from itertools import count
from typing import Any, Self

from openmessaging.conformance.protocol import Gone, from_error

LINE_BYTES = 64 << 20


class Child:
    """Start it with `Child.start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(cls, command: Sequence[str], environment: dict[str, str] | None = None) -> Self:
        """Start a program that speaks the protocol. Raises Gone when there is no such program."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_BYTES,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as cause:
            raise Gone(f"{command[0]} cannot be started: {cause}") from cause
        return cls(process)

    async def perform(self, operation: str, arguments: dict[str, Any]) -> Any:
        """See `Implementation`."""
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._write({"id": number, "operation": operation, "arguments": arguments})
            return await future
        except asyncio.CancelledError:
            with contextlib.suppress(Gone):
                self._write({"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def _write(self, document: dict[str, Any]) -> None:
        if self._process.returncode is not None or self._reading.done() or self._process.stdin is None:
            raise Gone("the implementation under test has ended")
        self._process.stdin.write(json.dumps(document).encode() + b"\n")

    async def _read(self) -> None:
        reason = "the implementation under test has ended"
        try:
            while self._process.stdout is not None and (line := await self._process.stdout.readline()):
                answer = json.loads(line)
                future = self._waiting.get(answer["id"])
                if future is None or future.done():
                    continue
                if "error" in answer:
                    future.set_exception(from_error(answer["error"]))
                else:
                    future.set_result(answer.get("result"))
        except (ValueError, KeyError, TypeError) as failure:
            reason = f"the implementation under test does not speak the protocol: {failure!r}"
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(Gone(reason))

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End its input, so that it lets everything go; kill it when it does not end within ten seconds."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
