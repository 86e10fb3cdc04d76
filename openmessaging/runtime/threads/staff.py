# Generated from openmessaging/runtime/aio/staff.py by scripts/unasync.py: change that file instead.
"""The workers of a service: who is free takes the next request, from the queue or straight from a requester's hands.

One task fetches from the queue while there is room; whoever is free takes what comes, from there or from a requester
(`offer`). One more worker is hired when nobody is free, up to the service's concurrency.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from openmessaging.model.mail import Handed
from openmessaging.model.spi import Delivery
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.serving import Arrived
from openmessaging.runtime.threads.primitives import IDLE_WAIT, Event, Subscription, Task, sleep
from openmessaging.runtime.threads.waits import UNBROKEN, Interrupted, Interruptible, Worker

MAX_BYTES = 8 << 20
"""Most bytes of one fetch."""
RETRY_DELAY = 1.0
"""Seconds between fetches after one failed."""
RECENT = 5.0
"""Seconds for which a failed fetch is trouble: when it goes on, there is another by then."""
Job = Arrived | Handed


class Staff:
    """Workers and their requests.

    Args:
        subscription: where requests are fetched.
        concurrency: the most workers.
        serve: called by a worker with a request and his waits.
    """

    def __init__(
        self, subscription: Subscription, concurrency: int, serve: Callable[[Job, Interruptible], Any]
    ) -> None:
        self.ready: deque[Arrived] = deque()
        """What was fetched and has no worker yet."""
        self._subscription = subscription
        self._concurrency = concurrency
        self._serve = serve
        self._idle: list[Worker] = []
        self._workers: list[Worker] = []
        self._mutex = threading.Lock()
        self._stopping = False
        self._parked = False
        """Whether the fetching waits for room."""
        self._room = Event()
        self._fetching: Interruptible | None = None
        self._unbroken = 0
        self._last_failure: tuple[float, Exception] | None = None

    def start(self) -> None:
        """Begin to fetch, with one worker."""
        self._hire()
        self._fetcher = Task(self._receive)

    def offer(self) -> Callable[[Job], object] | None:
        """Who takes a request, if somebody is free: he must be called with one. From any thread."""
        with self._mutex:
            return self._idle.pop().give if self._idle else None

    def troubles(self) -> list[str]:
        """Why no requests come from the queue."""
        found = []
        if self._fetcher.is_done() and not self._stopping:
            found.append("it receives no more")
        if self._last_failure is not None and monotonic() - self._last_failure[0] < RECENT:
            found.append(f"receiving failed: {self._last_failure[1]}")
        return found

    def stop(self) -> None:
        """Fetch nothing more, and let go who is free; what is fetched stays in `ready`."""
        with self._mutex:
            self._stopping = True
            idle, self._idle = self._idle, []
        if self._fetching is not None:
            self._fetching.interrupt()
        self._room.set()
        for worker in idle:
            worker.give(None)

    def _all(self) -> list[Task | Worker]:
        return [self._fetcher, *self._workers]

    def join(self, remaining: Callable[[], float]) -> None:
        """Wait until all have ended, or nothing remains of the time, in seconds."""
        for task in self._all():
            task.join(max(remaining(), 0.0))

    def dismiss(self) -> None:
        """End who is still at work."""
        for task in self._all():
            if not task.is_done():
                task.cancel()
                task.join(1.0)

    def _hire(self) -> None:
        """One more worker, if nobody is free and there may be more."""
        with self._mutex:
            if not self._idle and len(self._workers) < self._concurrency and not self._stopping:
                self._workers.append(Worker(self._work, self._do, self._rested))

    def _work(self, worker: Worker) -> None:
        try:
            self._live(worker)
        finally:
            with self._mutex:
                self._workers.remove(worker)
            self._room.set()

    def _live(self, worker: Worker) -> None:
        goes_on = True
        while goes_on:
            with self._mutex:
                if self._stopping:
                    return
                job = self.ready.popleft() if self.ready else None
                if job is None:
                    worker.rest()
                    self._idle.append(worker)
            if self._parked:
                self._room.set()
            if job is None:
                goes_on = worker.job()
                continue
            self._do(job, worker)
            self._unbroken += 1
            if not self._unbroken % UNBROKEN:
                sleep(0)

    def _do(self, job: Job, worker: Worker) -> None:
        if not self._idle and len(self._workers) < self._concurrency:
            self._hire()
        self._serve(job, worker.waits)

    def _rested(self, worker: Worker) -> None:
        with self._mutex:
            if not self._stopping:
                self._idle.append(worker)
                return
        worker.give(None)

    def _receive(self) -> None:
        waits = self._fetching = Interruptible()
        while not self._stopping:
            room = self._free()
            if room < 1:
                self._wait_for_room()
                continue
            try:
                for delivery in waits.run(self._subscription.fetch(room, MAX_BYTES, IDLE_WAIT)):
                    self._assign(delivery)
            except Interrupted:
                return
            except Exception as failure:
                if not self._stopping:
                    self._last_failure = monotonic(), failure
                    logger.warning("receiving requests failed, trying again: %s", failure, exc_info=failure)
                    sleep(RETRY_DELAY)

    def _free(self) -> int:
        with self._mutex:
            return self._concurrency - (len(self._workers) - len(self._idle)) - len(self.ready)

    def _wait_for_room(self) -> None:
        self._room.clear()
        self._parked = True
        if self._free() < 1 and not self._stopping:  # it may have come before the flag was set
            self._room.wait()
        self._parked = False

    def _assign(self, delivery: Delivery) -> None:
        origin = DeliveryOrigin(delivery)
        for place, record in enumerate(origin.members, delivery.first):
            job = Arrived(record, delivery, origin, place)
            with self._mutex:
                worker = self._idle.pop() if self._idle else None
                if worker is None:
                    self.ready.append(job)
            if worker is not None:
                worker.give(job)
            else:
                self._hire()
