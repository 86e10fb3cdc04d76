"""Walking the streams of a queue both ways."""

from __future__ import annotations

import time

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Got, Kit

RULE = "OMSI 0.3.1, streaming consumer"
NEEDS = ("streaming", "browse")


class Walk:
    """An iterator over the stream of a queue of one partition that holds 0 to 4."""

    def __init__(self, kit: Kit, iterator: str) -> None:
        self._kit = kit
        self._iterator = iterator

    async def step(self, step: str) -> str:
        """The text of a neighbour."""
        return Got(await self._kit.call("walk", iterator=self._iterator, step=step)).text

    async def ask(self, step: str) -> object:
        """Whether there is a neighbour, or where."""
        return await self._kit.call("walk", iterator=self._iterator, step=step)


async def _walk(kit: Kit, to: str) -> Walk:
    queue = kit.queue()
    producer = await kit.producer()
    for number in range(5):
        await producer.send(queue, str(number))
    streaming = await kit.handle("createStreamingConsumer", point=kit.point)
    streams = await kit.call("listStreams", streaming=streaming, queue=queue)
    that(streams, "the queue has no stream")
    return Walk(kit, await kit.handle("seekStream", streaming=streaming, stream=streams[0], to=to))


@case("streaming.forward", RULE, *NEEDS)
async def forward(kit: Kit) -> None:
    """From the beginning, next gives each message once, then there is none."""
    walk = await _walk(kit, "beginning")
    found = []
    while await walk.ask("hasNext"):
        found.append(await walk.step("next"))
    equal(found, ["0", "1", "2", "3", "4"], "messages")


@case("streaming.backward", RULE, *NEEDS)
async def backward(kit: Kit) -> None:
    """From the end, previous gives each message once, in reverse."""
    walk = await _walk(kit, "end")
    found = []
    while await walk.ask("hasPrevious"):
        found.append(await walk.step("previous"))
    equal(found, ["4", "3", "2", "1", "0"], "messages")


@case("streaming.mirror", f"{RULE}: previous after next gives the same message", *NEEDS)
async def mirror(kit: Kit) -> None:
    """Next and previous are mixed freely: previous after next gives the same message."""
    walk = await _walk(kit, "beginning")
    steps = ["next", "previous", "next", "next", "next", "previous", "previous", "next"]
    equal([await walk.step(step) for step in steps], ["0", "0", "0", "1", "2", "2", "1", "1"], "messages")


@case("streaming.past-end", f"{RULE}: past an end, an error", *NEEDS)
async def past_end(kit: Kit) -> None:
    """Next past the end is an error (1414)."""
    walk = await _walk(kit, "end")
    async with kit.refused(1414, None, "next past the end"):
        await walk.step("next")


@case("streaming.past-beginning", f"{RULE}: past an end, an error", *NEEDS)
async def past_beginning(kit: Kit) -> None:
    """Previous before the beginning is an error (1414)."""
    walk = await _walk(kit, "beginning")
    async with kit.refused(1414, None, "previous at the beginning"):
        await walk.step("previous")


@case("streaming.clamped", f"{RULE}: seek is clamped", *NEEDS)
async def clamped(kit: Kit) -> None:
    """A position behind the last message is the end, and one before the first is the beginning."""
    walk = await _walk(kit, f"offset:{1 << 62}")  # some systems make offsets of times
    equal(await walk.ask("hasNext"), False, "hasNext behind the end")
    equal(await walk.step("previous"), "4", "message before the end")
    walk = await _walk(kit, "offset:0")
    equal(await walk.step("next"), "0", "first message")


@case("streaming.position", f"{RULE}: nextPosition, seek", *NEEDS)
async def position(kit: Kit) -> None:
    """Seeking to a position that an iterator told gives the message that it told of."""
    queue = kit.queue()
    producer = await kit.producer()
    for number in range(5):
        await producer.send(queue, str(number))
    streaming = await kit.handle("createStreamingConsumer", point=kit.point)
    stream = (await kit.call("listStreams", streaming=streaming, queue=queue))[0]
    first = await kit.handle("seekStream", streaming=streaming, stream=stream, to="beginning")
    walk = Walk(kit, first)
    await walk.step("next")
    await walk.step("next")
    place = str(await walk.ask("nextPosition"))
    there = Walk(kit, await kit.handle("seekStream", streaming=streaming, stream=stream, to=place))
    equal(await there.step("next"), "2", "message at the position")


@case("streaming.time", f"{RULE}: seek to a timestamp", *NEEDS)
async def by_time(kit: Kit) -> None:
    """Seeking to a time gives the first message stored at or after it."""
    import asyncio

    queue = kit.queue()
    producer = await kit.producer()
    await producer.send(queue, b"before")
    await asyncio.sleep(0.3)
    now = time.time_ns() // 1_000_000
    await asyncio.sleep(0.3)
    await producer.send(queue, b"after")
    streaming = await kit.handle("createStreamingConsumer", point=kit.point)
    stream = (await kit.call("listStreams", streaming=streaming, queue=queue))[0]
    walk = Walk(kit, await kit.handle("seekStream", streaming=streaming, stream=stream, to=f"ts:{now}"))
    equal(await walk.step("next"), "after", "message")


@case("streaming.grows", f"{RULE}: hasNext turns true when more arrive", *NEEDS)
async def grows(kit: Kit) -> None:
    """An iterator at the end sees what arrives later."""
    walk = await _walk(kit, "end")
    equal(await walk.ask("hasNext"), False, "hasNext at the end")
    await (await kit.producer()).send(kit.queue(), b"new")
    equal(await walk.ask("hasNext"), True, "hasNext after a send")
    equal(await walk.step("next"), "new", "message")


@case("streaming.leaves-groups", f"{RULE}: no group position", *NEEDS)
async def leaves_groups(kit: Kit) -> None:
    """Walking settles nothing: a group gets everything."""
    walk = await _walk(kit, "beginning")
    for _ in range(5):
        await walk.step("next")
    equal(len(await (await kit.pull(kit.queue())).take(5)), 5, "messages of the group")


@case("streaming.no-stream", f"{RULE}: seek", *NEEDS)
async def no_stream(kit: Kit) -> None:
    """A stream that is not there is refused."""
    streaming = await kit.handle("createStreamingConsumer", point=kit.point)
    await (await kit.producer()).send(kit.queue())
    stream = (await kit.call("listStreams", streaming=streaming, queue=kit.queue()))[0]
    head, mark, _ = stream.rpartition("#")
    other = f"{head}{mark}999" if mark else f"{stream}999"
    async with kit.refused(None, None, f"the stream {other}"):
        await kit.call("seekStream", streaming=streaming, stream=other, to="beginning")
