"""A group's side of a subscription: messages that the broker has sent and that are not acknowledged.

MQTT has no word for "failed": what is given back waits here and is handed out here again, while the broker takes it for
being worked on. Acknowledgements go out in the order in which messages came, as MQTT asks, so a message that
waits holds back those of all that came after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
from paho.mqtt.client import MQTTMessage

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.mqtt.packets import from_publish, is_expired
from openmessaging.drivers.mqtt.session import Session


class Hold(msgspec.Struct, eq=False):
    """A message that the broker waits for."""

    number: int
    """Its packet identifier; 0 where the broker waits for nothing (QoS 0)."""
    done: bool = False


class MqttSource:
    """What is published to a topic, for one consumer."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._leave = leave
        self._session: Session | None = None
        self._ready: deque[Received] = deque()
        self._some = asyncio.Event()
        self._held: dict[int, Hold] = {}
        self._order: deque[int] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._closed = False

    def attach(self, session: Session) -> None:
        """Receive under this session."""
        self._session = session
        session.on_resume = self.resume

    def resume(self, present: bool) -> None:
        """There is another connection: the broker sends again what it waits for, if it still has the session."""
        self._order.clear()
        if not present:
            self._held.clear()

    def arrive(self, message: MQTTMessage) -> None:
        """The broker sent a message."""
        number = message.mid if message.qos else 0
        known = self._held.get(number)
        if number:
            self._order.append(number)
        if known is not None and message.dup:  # it is here already, or was settled and could not be told so
            self._tell()
            return
        now_ms = time.time_ns() // 1_000_000
        hold = Hold(number)
        if number:
            self._held[number] = hold
        record = from_publish(message, now_ms)
        if is_expired(record, now_ms):
            hold.done = True
            self._tell()
            return
        self._hand(Received(record, hold, 2 if message.dup else 1))

    def _hand(self, received: Received) -> None:
        self._ready.append(received)
        self._some.set()

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """What has come."""
        if not self._ready and not self._closed:
            self._some.clear()
            try:
                async with asyncio.timeout(wait if wait < 1e8 else None):
                    await self._some.wait()
            except TimeoutError:
                return []
        pulled = [self._ready.popleft() for _ in range(min(maximum, len(self._ready)))]
        now_ms = time.time_ns() // 1_000_000
        await self.acknowledge([message for message in pulled if is_expired(message.record, now_ms)])
        return [message for message in pulled if not message.receipt.done]

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """Done; the broker is told as soon as all that came before is done."""
        for message in messages:
            message.receipt.done = True
        self._tell()

    def _tell(self) -> None:
        while self._order and (hold := self._held.get(self._order[0])) is not None and hold.done:
            number = self._order.popleft()
            del self._held[number]
            if self._session is not None:
                self._session.acknowledge(number)

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They are handed out again, here, after `delay` seconds."""
        for message in messages:
            again = Received(message.record, message.receipt, message.attempt + counted, message.partition)
            if delay > 0:
                self._later(again, delay)
            else:
                self._hand(again)

    def _later(self, again: Received, delay: float) -> None:
        def due() -> None:
            self._timers.discard(timer)
            self._hand(again)

        timer = self._loop.call_later(delay, due)
        self._timers.add(timer)

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Nothing to do: the broker waits without end."""

    async def close(self) -> None:
        """Let go."""
        self._closed = True
        self._some.set()
        for timer in self._timers:
            timer.cancel()
        if self._session is not None:
            await self._session.close()
        self._leave()
