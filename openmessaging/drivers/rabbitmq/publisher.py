"""Messages on their way to RabbitMQ: all of a call are written at once, each is done when RabbitMQ confirms it.

What was written when a connection was lost is written again: RabbitMQ has no way to tell that it has it, so it may be
there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from aiormq.channel import Channel
from aiormq.exceptions import ChannelClosed, ChannelPreconditionFailed

from openmessaging.drivers.rabbitmq.failures import LOST, lived, missing_name, translated
from openmessaging.drivers.rabbitmq.link import Link
from openmessaging.model.errors import OMSRuntimeException, error

WINDOW = 1000
"""Messages that wait for their confirms at the same time."""

TIMES = 20
"""Connections or channels that may be lost before a message is given up."""


class Post(msgspec.Struct, eq=False):
    """A message to be published."""

    exchange: str
    routing_key: str
    properties: Any
    body: bytes
    tried: bool = False


class Publisher:
    """One channel with confirms."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> Channel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.channel(confirms=True)
            return self._channel

    async def publish(self, posts: Sequence[Post]) -> list[OMSRuntimeException | None]:
        """Store messages in their order; what became of each: None when it is confirmed."""
        failures: list[OMSRuntimeException | None] = []
        for begin in range(0, len(posts), WINDOW):
            failures += await self._publish(posts[begin : begin + WINDOW])
        return failures

    async def _publish(self, posts: Sequence[Post]) -> list[OMSRuntimeException | None]:
        failures: dict[int, OMSRuntimeException] = {}
        left = list(range(len(posts)))
        for times in range(TIMES):
            if not left:
                break
            try:
                channel = await self._open()
            except OMSRuntimeException as failure:
                failures.update((at, _unreached(posts[at], failure)) for at in left)
                break
            found = await _published(channel, [posts[at] for at in left])
            again = []
            for at, cause in zip(left, found, strict=True):
                if cause is None:
                    continue
                final = fate(posts[at], cause)
                if final is None and times < TIMES - 1:
                    again.append(at)
                else:
                    failures[at] = final or translated(cause, f"{TIMES} times")
            left = again
        return [failures.get(at) for at in range(len(posts))]


async def _published(channel: Channel, posts: Sequence[Post]) -> list[BaseException | None]:
    """Publish at once, wait for all confirms; a channel that ends takes those with it that wait for room to be written,
    about which the client says nothing."""
    tasks = [asyncio.ensure_future(_publish_one(channel, post)) for post in posts]
    try:
        if len(tasks) == 1:  # two turns of the loop less
            await lived(channel, tasks[0])
            return [None]
        return await lived(channel, asyncio.gather(*tasks, return_exceptions=True))
    except Exception as failure:
        lost = ConnectionError(str(failure))
        return [_result(task, lost) for task in tasks]


def _result(task: asyncio.Task[None], lost: ConnectionError) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else lost


async def _publish_one(channel: Channel, post: Post) -> None:
    await channel.basic_publish(
        post.body,
        exchange=post.exchange,
        routing_key=post.routing_key,
        properties=post.properties,
        mandatory=True,
        wait=False,
    )


def fate(post: Post, failure: BaseException) -> OMSRuntimeException | None:
    """What a message failed with; None when it only shared the channel with one that did, or the connection was lost:
    then it goes again."""
    native = missing_name(failure)
    what = f"to {post.exchange or post.routing_key}"
    if native is not None:
        return translated(failure, what) if native == post.exchange else None
    if isinstance(failure, ChannelPreconditionFailed):
        if f"message size {len(post.body)} " in str(failure):
            step = "Send less, or raise max_message_size of RabbitMQ"
            return error(1413, f"{what}: {failure}", next_step=step, field="data")
        return None if "message size" in str(failure) else translated(failure, what)
    if isinstance(failure, ChannelClosed):
        return translated(failure, what)
    if isinstance(failure, (*LOST, asyncio.CancelledError)) or type(failure) is Exception:
        post.tried = True
        return None
    return translated(failure, what)


def _unreached(post: Post, failure: OMSRuntimeException) -> OMSRuntimeException:
    """A message that may be stored already fails in another way than one that never left."""
    if not post.tried:
        return failure
    step = "It may have been stored all the same; send it again if twice is better than never"
    return error(1410, f"the connection was lost before RabbitMQ confirmed: {failure.reason}", next_step=step)
