"""Namespaces and queues: create, list, describe, update, delete, purge."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from openmessaging.model.destination import check_namespace, full_name
from openmessaging.model.settings import QueueConfig
from openmessaging.model.spi import QueueInfo
from openmessaging.server.http.names import InNamespace, queue_of
from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import Request, Response, respond
from openmessaging.server.http.table import Route, tagged

MAX_PARTITIONS = 1024


class Names(msgspec.Struct):
    """Names, sorted."""

    names: list[str]


class NewNamespace(msgspec.Struct, forbid_unknown_fields=True):
    """A namespace to be made."""

    name: str


class NewQueue(msgspec.Struct, forbid_unknown_fields=True):
    """A queue to be made."""

    name: Annotated[str, Meta(description="Bare, in the namespace of the query, or full.")]
    partitions: Annotated[int, Meta(ge=1, le=MAX_PARTITIONS)] = 1
    config: Annotated[QueueConfig | None, Meta(description="Settings; those left out have their defaults.")] = None


class OffsetRange(msgspec.Struct, rename="camel"):
    """What a partition or lane holds."""

    first: int
    next: int
    lane_of: int | None = None
    """The partition that a lane of another priority belongs to."""
    priority: int | None = None


class QueueView(msgspec.Struct, rename="camel"):
    """A queue."""

    name: str
    """Full name."""
    partitions: int
    messages: int
    """Messages that can still be read, over all partitions."""
    delayed: int
    """Messages that are not due yet."""
    expired: int
    """Messages that expired before they were handed out."""
    groups: list[str]
    offsets: list[OffsetRange]
    """Per partition, and behind them per lane, the first offset and the next to be written."""
    config: dict[str, Any]


class Purged(msgspec.Struct):
    """What a purge dropped."""

    messages: int


class QueueList(msgspec.Struct):
    """The queues of a namespace."""

    queues: list[QueueView]


def view_of(info: QueueInfo) -> QueueView:
    """A queue as it is shown."""
    offsets = [OffsetRange(first, following) for first, following in info.offsets]
    for place, (partition, priority) in enumerate(info.lanes, info.partitions):
        offsets[place] = msgspec.structs.replace(offsets[place], lane_of=partition, priority=priority)
    return QueueView(
        info.name, info.partitions, info.messages, info.delayed, info.expired, info.groups, offsets, info.config
    )


def etag(info: QueueInfo) -> str:
    """What changes when a queue's settings do."""
    settings = msgspec.json.encode([info.name, info.partitions, info.config], order="sorted")
    return f'"{hashlib.sha256(settings).hexdigest()[:16]}"'


async def list_namespaces(request: Request) -> Names:
    """GET /v1/namespaces"""
    return Names(await request.driver.list_namespaces())


async def create_namespace(request: Request) -> Response:
    """POST /v1/namespaces"""
    name = check_namespace(request.input.name)
    await request.driver.create_namespace(name)
    return Response(201, [("location", f"/v1/namespaces/{quote(name)}")])


async def delete_namespace(request: Request) -> None:
    """DELETE /v1/namespaces/{namespace}"""
    await request.driver.delete_namespace(check_namespace(request.params["namespace"]))


async def list_queues(request: Request) -> QueueList:
    """GET /v1/queues"""
    names = await request.driver.list_queues(check_namespace(request.query.namespace))
    return QueueList([view_of(await request.driver.describe_queue(name)) for name in names])


async def create_queue(request: Request) -> Response:
    """POST /v1/queues"""
    new: NewQueue = request.input
    name = full_name(new.name, request.query.namespace)
    config = {} if new.config is None else _given(new.config)
    await request.driver.create_queue(name, new.partitions, config)
    info = await request.driver.describe_queue(name)
    return respond(request, view_of(info), 201, [("etag", etag(info))])


async def describe_queue(request: Request) -> Response:
    """GET /v1/queues/{queue}"""
    info = await request.driver.describe_queue(queue_of(request))
    tag = etag(info)
    return respond(request, view_of(info), 200, [("etag", tag)])


async def update_queue(request: Request) -> Response:
    """PATCH /v1/queues/{queue}"""
    name = queue_of(request)
    wanted = request.headers.get("if-match")
    if wanted is not None and wanted.strip() != "*":
        tag = etag(await request.driver.describe_queue(name))
        if tag not in [each.strip() for each in wanted.split(",")]:
            step = f"Read it again: its ETag is {tag}"
            raise HttpError(412, 1400, f"the settings of {name} have changed", next_step=step, field="if-match")
    await request.driver.update_queue(name, request.input)
    info = await request.driver.describe_queue(name)
    return respond(request, view_of(info), 200, [("etag", etag(info))])


async def delete_queue(request: Request) -> None:
    """DELETE /v1/queues/{queue}"""
    name = queue_of(request)
    await request.driver.delete_queue(name)
    request.app.sharing.forget(name)


async def purge_queue(request: Request) -> Purged:
    """POST /v1/queues/{queue}/purge"""
    return Purged(await request.driver.purge_queue(queue_of(request)))


def _given(config: QueueConfig) -> dict[str, Any]:
    """Settings that are not the defaults."""
    return {
        name: value for name in config.__struct_fields__ if (value := getattr(config, name)) != getattr(_DEFAULTS, name)
    }


_DEFAULTS = QueueConfig()
_IF_MATCH = {"if-match": "Change it only if its ETag is still this one."}
_ETAG = {"etag": "Changes when the settings do."}

ROUTES: list[Route] = [
    *tagged(
        "namespaces",
        [
            Route(
                method="GET", path="/v1/namespaces", handler=list_namespaces, summary="List namespaces", answer=Names
            ),
            Route(
                method="POST", path="/v1/namespaces", handler=create_namespace, summary="Create a namespace",
                input=NewNamespace, status=201, errors=(1407,), answer_headers={"location": "Where it is."},
            ),
            Route(
                method="DELETE", path="/v1/namespaces/{namespace}", handler=delete_namespace, status=204,
                summary="Delete a namespace without queues", errors=(1405,),
            ),
        ],
    ),
    *tagged(
        "queues",
        [
            Route(
                method="GET", path="/v1/queues", handler=list_queues, summary="List the queues of a namespace",
                query=InNamespace, answer=QueueList, errors=(1405,),
            ),
            Route(
                method="POST", path="/v1/queues", handler=create_queue, summary="Create a queue", query=InNamespace,
                input=NewQueue, answer=QueueView, status=201, errors=(1405, 1406), answer_headers=_ETAG,
            ),
            Route(
                method="GET", path="/v1/queues/{queue}", handler=describe_queue, summary="Describe a queue",
                query=InNamespace, answer=QueueView, errors=(1404,), answer_headers=_ETAG,
            ),
            Route(
                method="PATCH", path="/v1/queues/{queue}", handler=update_queue, query=InNamespace,
                summary="Change settings of a queue", description="Settings that are not named stay as they are.",
                input=dict[str, Any], answer=QueueView, errors=(1404, 412), request_headers=_IF_MATCH,
                answer_headers=_ETAG,
            ),
            Route(
                method="DELETE", path="/v1/queues/{queue}", handler=delete_queue, query=InNamespace, status=204,
                summary="Delete a queue with its messages and groups", errors=(1404,),
            ),
            Route(
                method="POST", path="/v1/queues/{queue}/purge", handler=purge_queue, query=InNamespace,
                summary="Drop all messages of a queue", answer=Purged, errors=(1404,),
            ),
        ],
    ),
]  # fmt: skip
