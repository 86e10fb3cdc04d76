"""Consumer groups: list, describe, make, change, seek, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE, check_name
from openmessaging.model.errors import error
from openmessaging.model.settings import GroupConfig
from openmessaging.model.spi import GroupInfo, SubscriptionSpec
from openmessaging.server.http.messages import BodyForm, MessageView, to_view
from openmessaging.server.http.names import InNamespace, Namespace, queue_of, resources_of
from openmessaging.server.http.request import Request
from openmessaging.server.http.table import Route, tagged

GROUP = "/v1/queues/{queue}/groups/{group}"


class GroupView(msgspec.Struct, rename="camel"):
    """A consumer group."""

    name: str
    queue: str
    """Full name."""
    lag: int
    """Messages that are not settled yet, those in flight included."""
    in_flight: int
    retrying: int
    """Messages that wait for their next attempt."""
    expired: int
    """Messages that expired before they were handed out."""
    oldest_timestamp: int | None
    """Store time of the oldest message not settled, ms since the epoch; null without lag."""
    floors: list[int]
    """Per partition and lane, the offset below which all is settled."""
    dead_letter_queue: str
    config: GroupConfig


class GroupList(msgspec.Struct):
    """Consumer groups."""

    groups: list[GroupView]


class Seek(msgspec.Struct, forbid_unknown_fields=True):
    """Where a group shall go on. One of the two is given."""

    to: (
        Annotated[
            str,
            Meta(
                description="`earliest`, `latest`, `offset:<n>`, `ts:<ms>`, `key:<key>` (its first message) or "
                "`last-key:<key>`."
            ),
        ]
        | None
    ) = None
    offsets: Annotated[dict[str, int], Meta(description="By partition, the next offset; others stay.")] | None = None


class PeekQuery(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What of the next messages is shown."""

    namespace: Namespace = DEFAULT_NAMESPACE
    max_messages: Annotated[int, Meta(ge=1, le=1000)] = 10
    body: BodyForm = "auto"


class MessageList(msgspec.Struct):
    """Messages."""

    messages: list[MessageView]


def view_of(info: GroupInfo) -> GroupView:
    """A group as it is shown."""
    return GroupView(
        info.name, info.queue, info.lag, info.in_flight, info.retrying, info.expired, info.oldest_ms, info.floors,
        info.dead_letter_queue, info.config,
    )  # fmt: skip


def group_of(request: Request) -> str:
    """The group in the path. Raises OMSRuntimeException 1418."""
    return check_name(request.params["group"], "group")


async def list_all(request: Request) -> GroupList:
    """GET /v1/groups"""
    return GroupList([view_of(info) for info in await request.driver.list_groups()])


async def list_of_queue(request: Request) -> GroupList:
    """GET /v1/queues/{queue}/groups"""
    return GroupList([view_of(info) for info in await request.driver.list_groups(queue_of(request))])


async def describe(request: Request) -> GroupView:
    """GET …/groups/{group}"""
    return view_of(await request.driver.describe_group(queue_of(request), group_of(request)))


async def put(request: Request) -> GroupView:
    """PUT …/groups/{group}"""
    queue, group = queue_of(request), group_of(request)
    config: GroupConfig = request.input
    if config.broadcast:
        raise error(
            1418, "a broadcast group ends with its consumer", next_step="Leave broadcast out", field="broadcast"
        )
    subscription = await request.driver.subscribe(SubscriptionSpec(queue, group, config, update=True))
    await subscription.close()
    request.app.sharing.forget(queue, group)
    return view_of(await request.driver.describe_group(queue, group))


async def delete(request: Request) -> None:
    """DELETE …/groups/{group}"""
    queue, group = queue_of(request), group_of(request)
    await request.driver.delete_group(queue, group)
    request.app.sharing.forget(queue, group)


async def seek(request: Request) -> GroupView:
    """POST …/groups/{group}/seek"""
    queue, group = queue_of(request), group_of(request)
    wanted: Seek = request.input
    if (wanted.to is None) == (wanted.offsets is None):
        raise error(1418, "one of to and offsets is wanted", next_step="Give one of them", field="to")
    await resources_of(request).seek_group(queue, group, wanted.to or _offsets(wanted.offsets or {}))
    return view_of(await request.driver.describe_group(queue, group))


async def peek(request: Request) -> MessageList:
    """GET …/groups/{group}/peek"""
    query: PeekQuery = request.query
    messages = await resources_of(request).peek(queue_of(request), group_of(request), query.max_messages)
    binary = request.binary
    return MessageList([to_view(message, query.body, binary=binary) for message in messages])


def _offsets(given: dict[str, int]) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for partition, offset in given.items():
        if not (partition.isascii() and partition.isdigit()) or not 0 <= offset < 1 << 62:
            raise error(1418, f"partition {partition!r:.40}, offset {offset}", field="offsets")
        offsets[int(partition)] = offset
    return offsets


ROUTES: list[Route] = tagged(
    "groups",
    [
        Route(method="GET", path="/v1/groups", handler=list_all, summary="List all groups", answer=GroupList),
        Route(
            method="GET", path="/v1/queues/{queue}/groups", handler=list_of_queue, query=InNamespace,
            summary="List the groups of a queue", answer=GroupList, errors=(1404,),
        ),
        Route(
            method="GET", path=GROUP, handler=describe, query=InNamespace, answer=GroupView, errors=(1404,),
            summary="Describe a group: lag, messages in flight, settings",
        ),
        Route(
            method="PUT", path=GROUP, handler=put, query=InNamespace, input=GroupConfig, answer=GroupView,
            errors=(1404, 1405, 1416), summary="Make a group, or change its settings",
            description="`start` counts when it is made. A missing queue comes into being where that is on.",
        ),
        Route(
            method="DELETE", path=GROUP, handler=delete, query=InNamespace, status=204, errors=(1404,),
            summary="Delete a group",
        ),
        Route(
            method="POST", path=f"{GROUP}/seek", handler=seek, query=InNamespace, input=Seek, answer=GroupView,
            errors=(1404,), summary="Move a group; its leases in what moves end",
        ),
        Route(
            method="GET", path=f"{GROUP}/peek", handler=peek, query=PeekQuery, answer=MessageList, errors=(1404,),
            summary="Show what the group would get next, without taking it",
        ),
    ],
)  # fmt: skip
