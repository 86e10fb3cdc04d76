"""One callback at work: leases messages of a group one by one, posts each, and settles it by the answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from openmessaging.model.batch import is_at_most_once
from openmessaging.model.cloud_event_http import Mode
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message
from openmessaging.model.settings import GroupConfig
from openmessaging.model.signature import SIGNATURE, TIMESTAMP, sign
from openmessaging.model.spi import Delivery, Subscription, SubscriptionSpec
from openmessaging.runtime.aio.received import received
from openmessaging.runtime.lease import leased
from openmessaging.server.http.binding.form import part_of
from openmessaging.server.http.callbacks.registry import Registration
from openmessaging.server.http.callbacks.transport import Answer, Poster
from openmessaging.server.http.problem import logger
from openmessaging.server.served import Driver

WAIT = 30.0
"""Seconds of one wait for messages."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds without posts after a failure, and after many in a row."""
MAX_BYTES = 1 << 20
_GONE = 410
_LATER = (429, 503)
_SPARE = 5.0
_MODES = {"fields": None, "binary": Mode.BINARY, "structured": Mode.STRUCTURED}


class Callback:
    """Posts the messages of one group.

    Args:
        registration: what was asked for.
        guarded: gives the driver of the user who asked; raises when there is none any more.
        poster: how posts go.
        keys: secrets by their ids.
        slots: shared by all callbacks: as many posts may be under way.
        workers: posts of this one under way at once.
        timeout: seconds of a post.
        gone: called when the receiver says that it is gone for good.
    """

    def __init__(
        self,
        registration: Registration,
        guarded: Callable[[], Driver],
        poster: Poster,
        keys: Mapping[str, str],
        slots: asyncio.Semaphore,
        workers: int,
        timeout: float,
        gone: Callable[[], Awaitable[None]],
    ) -> None:
        self.registration = registration
        self.failures = 0
        """In a row."""
        self._guarded = guarded
        self._poster = poster
        self._keys = keys
        self._slots = slots
        self._timeout = timeout
        self._gone = gone
        self._pause_until = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run(workers))
        self._ending: asyncio.Task[None] | None = None

    async def _run(self, workers: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        subscription: Subscription | None = None
        while True:
            await asyncio.sleep(max(self._pause_until - loop.time(), 0.0))
            try:
                if subscription is None:
                    wanted = self.registration
                    spec = SubscriptionSpec(wanted.queue, wanted.group, GroupConfig())
                    subscription = await self._guarded().subscribe(spec)
                for delivery in await subscription.fetch(1, MAX_BYTES, WAIT):
                    if loop.time() < self._pause_until:  # another post failed meanwhile
                        subscription.release(delivery.lease_id, None)
                    else:
                        await self._hand_over(subscription, delivery)
            except OMSRuntimeException as failure:
                subscription = None
                self._failed(str(failure), None)
            except Exception:
                subscription = None
                logger.exception("a callback failed")
                self._failed("it failed", None)

    async def _hand_over(self, subscription: Subscription, delivery: Delivery) -> None:
        lease, offsets = delivery.lease_id, None
        try:
            async with asyncio.timeout(self._timeout):
                await self._slots.acquire()
        except TimeoutError:
            subscription.release(lease, offsets)
            return
        except asyncio.CancelledError:
            subscription.release(lease, offsets)
            raise
        try:
            ((held, _),) = leased(subscription, (delivery,))
            (message,) = received(held, delivery)
            settled = not self.registration.acknowledged or is_at_most_once(message.record)
            if settled:
                subscription.ack(lease, offsets)
                await subscription.flush()
            else:
                subscription.extend(lease, self._timeout + _SPARE)
            answer = await self._posted(message)
        except asyncio.CancelledError:
            with contextlib.suppress(OMSRuntimeException):
                subscription.release(lease, offsets)
            raise
        finally:
            self._slots.release()
        self._answered(subscription, None if settled else lease, answer)

    async def _posted(self, message: Message) -> Answer | str:
        wanted = self.registration
        part, body = part_of(message, _MODES[wanted.form])
        try:
            return await self._poster.post(wanted.url, signed(self._keys, wanted, part, body), body)
        except OMSRuntimeException as failure:
            return str(failure)

    def _answered(self, subscription: Subscription, lease: int | None, answer: Answer | str) -> None:
        good = isinstance(answer, Answer) and answer.good
        said = answer.status if isinstance(answer, Answer) else answer
        reason = "" if good else f"{self.registration.url} answered {said}"
        later = answer.retry_after if isinstance(answer, Answer) and answer.status in _LATER else None
        if lease is not None:
            with contextlib.suppress(OMSRuntimeException):  # its lease is over: it comes again
                if good:
                    subscription.ack(lease, None)
                else:
                    subscription.nack(lease, None, later, reason)
        if good:
            self.failures = 0
            self._pause_until = 0.0
        elif isinstance(answer, Answer) and answer.status == _GONE and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        else:
            self._failed(reason, later)

    async def _end(self) -> None:
        await self._gone()

    def _failed(self, reason: str, later: float | None) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
        if later is not None:
            pause = min(max(pause, later), 3600.0)
        self.failures += 1
        self._pause_until = asyncio.get_running_loop().time() + pause
        logger.warning("callback of %s: %s; goes on in %.1f s", self.registration.key, reason, pause)

    async def close(self) -> None:
        """Stop: what is being posted is given back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def signed(
    keys: Mapping[str, str], registration: Registration, part: Sequence[tuple[str, str]], body: bytes
) -> list[tuple[str, str]]:
    """The fields of a post: those of its part, for whom it is, when, and the signature over all of them."""
    fields = [
        *part,
        ("x-oms-consumerid", registration.group),
        ("x-oms-source", registration.queue),
        ("x-oms-callbackurl", registration.url),
        (TIMESTAMP, str(int(time.time()))),
    ]
    return [*fields, (SIGNATURE, sign(keys, fields, body)), ("user-agent", "openmessaging")]
