"""Making a bounded history while something goes wrong: senders and receivers that note what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from openmessaging.conformance.case import fail
from openmessaging.conformance.checker import Entry, Event, judge
from openmessaging.conformance.kit import Kit, Producer, Pull
from openmessaging.conformance.protocol import Gone, Refusal

KEYS = 4
DRAIN = 25.0
"""Seconds within which all that is left must come once nothing is wrong any more."""


class History:
    """Sends numbered messages of a few keys, receives and acknowledges them, while `trouble` is made.

    Senders go on after an error with the same message, which may then lie there twice.
    """

    def __init__(self, kit: Kit, queue: str, messages: int) -> None:
        self.entries: list[Entry] = []
        self._kit = kit
        self._queue = queue
        self._each = messages // KEYS
        self._sending = True
        self._acknowledged: set[tuple[str, int]] = set()
        self._stored = asyncio.Event()

    async def run(
        self,
        producer: Producer,
        consumers: list[Pull],
        trouble: Callable[[], Awaitable[None]] | None = None,
        ordered: bool = True,
    ) -> None:
        """Make it and judge it. Raises Broken."""
        receiving = [asyncio.ensure_future(self._receive(each)) for each in consumers]
        sending = [asyncio.ensure_future(self._send(producer, f"k{key}")) for key in range(KEYS)]
        try:
            if trouble is not None:
                await trouble()
            await asyncio.gather(*sending)
            self._sending = False
            await asyncio.gather(*receiving)
        finally:
            for task in (*sending, *receiving):
                task.cancel()
            await asyncio.gather(*sending, *receiving, return_exceptions=True)
        verdict = judge(self.entries, ordered)
        if not verdict:
            fail(str(verdict))

    @property
    def sent(self) -> int:
        """Messages acknowledged so far."""
        return len(self._acknowledged)

    async def until(self, count: int) -> None:
        """Wait until so many were sent; they must be no more than there are."""
        while self.sent < count and self._sending:
            self._stored.clear()
            await self._stored.wait()

    async def _send(self, producer: Producer, key: str) -> None:
        for number in range(self._each):
            tries = 0
            while True:
                try:
                    await producer.send(self._queue, str(number), key=key)
                    break
                except Refusal as refusal:
                    if refusal.unsupported or tries > 100:
                        raise
                    tries += 1
                    self.entries.append(Entry(Event.UNSURE, key, number))
                    await asyncio.sleep(0.1)
            self.entries.append(Entry(Event.SENT, key, number, again=tries > 0))
            self._acknowledged.add((key, number))
            self._stored.set()

    def _left(self) -> bool:
        got = {(entry.key, entry.number) for entry in self.entries if entry.event is Event.GOT}
        return not self._acknowledged <= got

    async def _receive(self, consumer: Pull) -> None:
        deadline = None
        quiet = False
        while True:
            if not self._sending:
                deadline = deadline or time.monotonic() + DRAIN
                if (quiet and not self._left()) or time.monotonic() > deadline:
                    return
            try:
                some = await consumer.batch(20, 0.3)
                quiet = not some
                for each in some:
                    what = (str(each.header("messageKey")), int(each.text))
                    self.entries.append(Entry(Event.GOT, *what))
                    await consumer.ack(each)
                    await self._kit.call("flush", service=consumer.handle)
                    self.entries.append(Entry(Event.DONE, *what))
            except (Refusal, Gone) as failure:
                if isinstance(failure, Gone):
                    return
                await asyncio.sleep(0.1)
