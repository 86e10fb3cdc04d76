# Generated from openmessaging/runtime/aio/push.py by scripts/unasync.py: change that file instead.
"""The push consumer: calls a listener with what arrives, acknowledges what it handled, gives back what it refused.

Source: runtime interface 1.0.0, "push consumer"; order, concurrency and time limits as chosen there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from openmessaging.model.errors import error
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.threads.consumer import Consumer
from openmessaging.runtime.threads.primitives import Event, Timer
from openmessaging.runtime.threads.pump import Pump

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint


class PushConsumer(Consumer):
    """Calls listeners. Create it with `access_point.create_push_consumer`, where its settings are described."""

    _kind = "consumer"

    def __init__(
        self,
        access_point: AccessPoint,
        membership: Membership,
        *,
        concurrency: int | None,
        batch_size: int,
        auto_ack: bool,
        max_processing: float,
        grace: float,
    ) -> None:
        super().__init__(access_point, membership)
        self.concurrency = concurrency
        """Listeners at work at once; None: one per partition."""
        self.batch_size = batch_size
        """Most messages for one call of a batch listener."""
        self.auto_ack = auto_ack
        """Whether the return of a listener acknowledges."""
        self.max_processing = max_processing
        """Seconds that a listener may take."""
        self.invisible_time = membership.config.invisible_time
        """Seconds of a lease; renewed while a listener is at work."""
        self.transacts = False
        """Whether what its listener makes of messages is committed with their acknowledgement, those of qos 1 too."""
        self.prefetch = 32
        """Messages of a queue that may be here at once, unless concurrency or batches need more."""
        self.resumed = Event()
        """Set unless the consumer is suspended."""
        self.resumed.set()
        self._grace = grace
        self._listeners: dict[str, tuple[Callable[..., Any], bool]] = {}
        self._pumps: dict[str, Pump] = {}
        self._timer: Timer | None = None
        self._serving = False

    def bind_queue(self, queues: str | Iterable[str], listener: Callable[..., Any], *, batch: bool = False) -> None:
        """Call `listener(message, context)`, or with `batch` `listener(messages, context)`, with what arrives.

        The listener is a function or, for asyncio, also a coroutine function (a plain function runs in the loop and
        must not block). Binding again replaces the listener. Before the start, it counts from then on.

        Raises OMSDestinationException 1404 for a queue that is missing and may not be created, OMSRuntimeException
        1418 for an invalid name.
        """
        for queue in self._full_names(queues):
            self._listeners[queue] = (listener, batch)
            self._bound.add(queue)
            pump = self._pumps.get(queue)
            if pump is not None:
                if pump.batch == batch:
                    pump.listener = listener
                    continue
                self._pumps.pop(queue).stop(self._grace)
            if self._serving:
                self._serve(queue)

    def unbind_queue(self, queues: str | Iterable[str]) -> None:
        """Call no listener with anything new from these queues; what is at work finishes first, within `grace`."""
        for queue in self._full_names(queues):
            self._bound.discard(queue)
            self._listeners.pop(queue, None)
            if queue in self._pumps:
                self._pumps.pop(queue).stop(self._grace)

    def suspend(self, timeout: float | None = None) -> None:
        """Receive nothing new for `timeout` seconds (None or 0: until `resume`); what is in a listener finishes.

        Raises OMSRuntimeException 1503 when it is not running.
        """
        self._require_started()
        self._stop_timer()
        self.resumed.clear()
        for pump in list(self._pumps.values()):
            pump.suspend()
        if timeout:
            self._timer = Timer(timeout, self.resumed.set)

    def resume(self) -> None:
        """Receive again. Raises OMSRuntimeException 1400 when it is not suspended."""
        if not self.is_suspended():
            raise error(1400, "the consumer is not suspended", next_step="Ask is_suspended() first")
        self._stop_timer()
        self.resumed.set()

    def is_suspended(self) -> bool:
        """Whether it is suspended."""
        return not self.resumed.is_set()

    def troubles(self) -> list[str]:
        """Why it is not well, with the queue's name before each; none when it is, or is suspended."""
        return [f"{queue}: {trouble}" for queue, pump in list(self._pumps.items()) for trouble in pump.troubles()]

    def flush(self) -> None:
        """Return when every acknowledgement made so far is durable."""
        for pump in list(self._pumps.values()):
            pump.flush()

    def interceptors(self) -> Sequence[ConsumerInterceptor]:
        """Those that are added now, in order."""
        return self._interceptors

    def _serve(self, queue: str) -> None:
        subscription = self._subscribe(queue)
        self._pumps[queue] = Pump(self, subscription, *self._listeners[queue])

    def _open(self) -> None:
        self.resumed.set()
        try:
            for queue in sorted(self._listeners):
                self._serve(queue)
        except BaseException:
            self._stop_pumps()
            raise
        self._serving = True
        self._access_point.attach(self)

    def _close(self) -> None:
        self._serving = False
        self._access_point.detach(self)
        self._stop_timer()
        self.resumed.set()
        self._stop_pumps()

    def _stop_pumps(self) -> None:
        for pump in self._pumps.values():
            pump.wind_down()
        while self._pumps:
            self._pumps.popitem()[1].stop(self._grace)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
