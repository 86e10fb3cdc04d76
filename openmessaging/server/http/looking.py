"""Looking at what is stored, leaving groups alone: browse and search, dead letters and their redrive."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.runtime.aio.redrive import letters
from openmessaging.runtime.aio.replay import MAX_REDRIVES
from openmessaging.runtime.choice import choice
from openmessaging.server.http.groups import GROUP, MessageList, group_of
from openmessaging.server.http.messages import BodyForm, MessageView, to_view
from openmessaging.server.http.names import InNamespace, Namespace, queue_of, resources_of
from openmessaging.server.http.request import Request
from openmessaging.server.http.table import Route, tagged

MAX_SHOWN = 1000
MAX_SCANNED = 50_000
"""Messages that one request looks at; `next` goes on."""
MAX_REDRIVEN = 10_000

Position = Annotated[
    str,
    Meta(description="`earliest`, `latest`, `offset:<n>`, `ts:<ms>`, `key:<key>` or `last-key:<key>`."),
]
Limit = Annotated[int, Meta(ge=1, le=MAX_SHOWN)]
Condition = Annotated[str, Meta(description="An SQL condition over properties and `header.<field>`.")]


class Browse(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for."""

    namespace: Namespace = DEFAULT_NAMESPACE
    start: Position = "earliest"
    end: Position = "latest"
    partition: Annotated[int, Meta(ge=0)] | None = None
    key: Annotated[str, Meta(description="Only messages of this key.")] | None = None
    where: Condition | None = None
    contains: Annotated[str, Meta(description="Only messages with this text in the body.")] | None = None
    limit: Limit = 100
    after: Annotated[str, Meta(description="`next` of the answer before.")] | None = None
    body: BodyForm = "auto"


class Page(msgspec.Struct):
    """Messages in the order of partitions and offsets."""

    messages: list[MessageView]
    scanned: int
    """Messages that were looked at."""
    next: str | None = None
    """Where to go on; null: that was all."""


class LettersQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters are shown."""

    namespace: Namespace = DEFAULT_NAMESPACE
    limit: Limit = 100
    where: Condition | None = None
    body: BodyForm = "auto"


class RedriveOrder(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Which dead letters go back, and where to. Without anything: all, each to where it came from."""

    to: Annotated[str, Meta(description="Another queue, bare or full.")] | None = None
    where: Condition | None = None
    message_ids: Annotated[list[str], Meta(max_length=MAX_REDRIVEN)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_REDRIVEN)] = MAX_REDRIVEN
    max_redrives: Annotated[int, Meta(ge=1, le=1000, description="Those that were sent back so often before stay.")] = (
        MAX_REDRIVES
    )


class Kept(msgspec.Struct):
    """A dead letter that stayed, and why."""

    offset: int
    reason: str


class Redriven(msgspec.Struct):
    """What became of a redrive."""

    found: int
    """Dead letters there were."""
    matched: int
    """Those that were chosen."""
    redriven: int
    """Those that were sent back."""
    kept: list[Kept]


async def browse(request: Request) -> Page:
    """GET /v1/queues/{queue}/messages"""
    query: Browse = request.query
    name, resources = queue_of(request), resources_of(request)
    chosen = choice(query.where)
    wanted = None if query.contains is None else query.contains.encode()
    info = await request.driver.describe_queue(name)
    first, offset = _read_after(query.after) if query.after is not None else (query.partition or 0, None)
    count = len(info.offsets)
    if not 0 <= first < count:
        raise error(1418, f"{name} has no partition {first}", next_step=f"Use 0 to {count - 1}", field="partition")
    last = count if query.partition is None else first + 1
    binary = request.binary
    found: list[MessageView] = []
    scanned = 0
    for partition in range(first, last):
        start = query.start if offset is None else {partition: offset}
        offset = None
        async for message in resources.browse(name, start, query.end, partition=partition):
            if len(found) == query.limit or scanned == MAX_SCANNED:
                return Page(found, scanned, f"{partition}:{message.offset}")
            scanned += 1
            if (
                (query.key is None or message.message_key == query.key)
                and (wanted is None or wanted in message.data)
                and chosen(message)
            ):
                found.append(to_view(message, query.body, binary=binary))
    return Page(found, scanned)


def _read_after(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition(":")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()) or len(text) > 30:
        raise error(1418, f"after: {text!r:.80}", next_step="Use `next` of the answer before", field="after")
    return int(partition), int(offset)


async def dead_letters(request: Request) -> MessageList:
    """GET …/groups/{group}/dead-letters"""
    query: LettersQuery = request.query
    chosen = choice(query.where)
    looked_at = MAX_SCANNED if query.where else query.limit
    found = await letters(request.driver, queue_of(request), group_of(request), looked_at)
    binary = request.binary
    shown = [letter for letter in found if chosen(letter)][: query.limit]
    return MessageList([to_view(letter, query.body, binary=binary) for letter in shown])


async def redrive(request: Request) -> Redriven:
    """POST …/groups/{group}/dead-letters/redrive"""
    order: RedriveOrder = request.input or RedriveOrder()
    chosen = choice(order.where)
    wanted = None if order.message_ids is None else frozenset(order.message_ids)

    def where(letter: Message) -> bool:
        return (wanted is None or letter.message_id in wanted) and chosen(letter)

    report = await resources_of(request).redrive(
        queue_of(request),
        group_of(request),
        to=None if order.to is None else full_name(order.to, request.query.namespace),
        where=where,
        limit=order.limit,
        max_redrives=order.max_redrives,
    )
    kept = [Kept(each.offset, each.reason) for each in report.refused]
    return Redriven(report.found, report.matched, report.redriven, kept)


ROUTES: list[Route] = [
    *tagged(
        "messages",
        [
            Route(
                method="GET", path="/v1/queues/{queue}/messages", handler=browse, query=Browse, answer=Page,
                errors=(1404,), summary="Browse and search what is stored, leaving groups alone",
                description="A page ends after `limit` found or many looked at: go on with `next` as `after`.",
            ),
        ],
    ),
    *tagged(
        "dead letters",
        [
            Route(
                method="GET", path=f"{GROUP}/dead-letters", handler=dead_letters, query=LettersQuery,
                answer=MessageList, errors=(1404,), summary="List the dead letters of a group",
            ),
            Route(
                method="POST", path=f"{GROUP}/dead-letters/redrive", handler=redrive, query=InNamespace,
                input=RedriveOrder, input_required=False, answer=Redriven, errors=(1404, 1405),
                summary="Send dead letters back, each in one step with its leaving the dead letters",
            ),
        ],
    ),
]  # fmt: skip
