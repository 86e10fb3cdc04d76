# Generated from openmessaging/runtime/aio/intake.py by scripts/unasync.py: change that file instead.
"""What a pull consumer holds ready: deliveries fetched under leases, decoded one by one, handed out message by message.

A waiting receiver fetches; one at a time, the others wait for it and take from what it brought. The leases of what is
still here are renewed; closing gives it back uncounted. Next stop of a message: `received.py`, then the caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Delivery
from openmessaging.runtime.lease import DeliveryOrigin, Lease, leased, offsets_of
from openmessaging.runtime.threads.primitives import Fetching, Lock, Periodic, Subscription
from openmessaging.runtime.threads.received import ReceivedMessage, by_lease, received
from openmessaging.runtime.threads.settling import let_go, settle_first

MAX_BYTES = 8 << 20
"""Most bytes of one fetch."""


class Intake:
    """The messages of one consumer between driver and caller; safe for many receivers."""

    def __init__(self, prefetch: int, invisible_time: float) -> None:
        self.ready: list[ReceivedMessage] = []
        """Decoded, the next one last."""
        self._prefetch = prefetch
        self._invisible_time = invisible_time
        self._landed: deque[tuple[Lease, Delivery]] = deque()
        self._subscriptions: dict[str, Subscription] = {}
        self.mutex = threading.Lock()
        self._fetching = Lock()
        self._fetch = Fetching(self._land)
        self._keeper = Periodic(invisible_time / 3, self._renew)
        self._closed = False
        self.settling = False
        """Whether messages of qos 1 have been here: from then on what is handed out has to be looked at."""
        self._before: DeliveryOrigin | None = None

    def take(self, timeout: float | None) -> ReceivedMessage | None:
        """The next message; None after `timeout` seconds without one, or when closed."""
        deadline = None if timeout is None else monotonic() + timeout
        while self._fill(1, deadline):
            with self.mutex:
                message = self.ready.pop() if self.ready else None  # another receiver may have been quicker
            if message is not None and (not self.settling or settle_first([message])):
                return message
        return None

    def take_many(self, max_messages: int, timeout: float | None) -> list[ReceivedMessage]:
        """Up to `max_messages`, as soon as there is one; none after `timeout` seconds, or when closed."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            found: list[ReceivedMessage] = []
            with self.mutex:
                while len(found) < max_messages and (self.ready or self._decode()):
                    ready = self.ready
                    part = ready[len(found) - max_messages :]
                    del ready[len(found) - max_messages :]
                    part.reverse()
                    found = found + part if found else part
            if found and self.settling:
                found = settle_first(found)
            if found or not self._fill(max_messages, deadline):
                return found

    def bind(self, queue: str, subscription: Subscription) -> None:
        """Take from a subscription, too; a fetch that is running goes on without it and then starts again."""
        self._subscriptions[queue] = subscription
        self._fetch.interrupt()

    def unbind(self, queue: str) -> None:
        """Give back what came from a queue, make its acknowledgements durable, and let it go."""
        subscription = self._subscriptions.pop(queue)
        with self.mutex:
            messages = [message for message in self.ready if message.lease.settler is subscription]
            self.ready = [message for message in self.ready if message.lease.settler is not subscription]
            landed = [pair for pair in self._landed if pair[0].settler is subscription]
            self._landed = deque(pair for pair in self._landed if pair[0].settler is not subscription)
        if messages:
            for lease, offsets in by_lease(messages):
                lease.release(offsets)
        for lease, delivery in landed:
            lease.release(offsets_of(delivery))
        self._fetch.interrupt()
        let_go(subscription)

    def close(self) -> None:
        """Give everything back and let go; waiting receivers get None."""
        self._closed = True
        self._keeper.stop()
        self._fetch.interrupt()
        for queue in list(self._subscriptions):
            self.unbind(queue)

    def flush(self) -> None:
        """Return when every settlement made so far is durable."""
        for subscription in list(self._subscriptions.values()):
            subscription.flush()

    def subscription(self, queue: str) -> Subscription | None:
        """The subscription of a queue (full name), None when it is not bound."""
        return self._subscriptions.get(queue)

    def _fill(self, at_least: int, deadline: float | None) -> bool:
        """Wait until something is ready; False when the time is over or the intake is closed."""
        left = None if deadline is None else max(deadline - monotonic(), 0.0)
        if not self._fetching.acquire_within(left):
            return bool(self.ready)
        try:
            while not self._closed:
                with self.mutex:
                    if self.ready or self._decode():
                        return True
                left = IDLE if deadline is None else max(deadline - monotonic(), 0.0)
                sources = self._sources(at_least)
                if not sources:
                    step = "Call bind_queue, or name one when you create the consumer"
                    raise error(1418, "the consumer is bound to no queue", next_step=step)
                try:
                    self._fetch.run(sources, left)
                except OMSRuntimeException:
                    if not self._closed:
                        raise
                if deadline is not None and monotonic() >= deadline:
                    with self.mutex:
                        return bool(self.ready) or self._decode()
            return False
        finally:
            self._fetching.release()

    def _sources(self, at_least: int) -> list[tuple[Subscription, Callable[[float], Any]]]:
        count = max(self._prefetch, at_least, 1)
        return [
            (subscription, partial(subscription.fetch, count, MAX_BYTES))
            for subscription in list(self._subscriptions.values())
        ]

    def _land(self, subscription: Subscription, deliveries: list[Delivery]) -> None:
        arrived = leased(subscription, deliveries)
        with self.mutex:
            if subscription in self._subscriptions.values():
                self._landed.extend(arrived)
                return
        for lease, delivery in arrived:
            lease.release(offsets_of(delivery))

    def _decode(self) -> bool:
        """Make the next delivery ready; whether there was one. Called under the mutex."""
        if not self._landed:
            return False
        lease, delivery = self._landed.popleft()
        messages = received(lease, delivery, self._before)
        self._before = messages[0].arrival
        self.settling |= self._before.at_most_once
        messages.reverse()
        self.ready = messages
        return True

    def _renew(self) -> None:
        """Let the leases of what is still here last; what is lost all the same is dropped, another has it."""
        with self.mutex:
            held = {message.lease for message in self.ready}.union([lease for lease, _ in self._landed])
        lost = {lease for lease in held if not lease.renew(self._invisible_time)}
        if lost:
            with self.mutex:
                self.ready = [message for message in self.ready if message.lease not in lost]
                self._landed = deque(pair for pair in self._landed if pair[0] not in lost)


IDLE = 1e9
"""Seconds of a wait without end."""
