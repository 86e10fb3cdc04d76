"""Messages that wait for their time, and schedules that send them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE, check_name, full_name
from openmessaging.model.errors import error
from openmessaging.model.schedule import MAX_CATCH_UP, ScheduleInfo
from openmessaging.runtime.aio.schedules import Schedules
from openmessaging.runtime.schedule import Rule, scheduled_message, spec_of
from openmessaging.runtime.timing import due_from_now
from openmessaging.server.http.messages import NewMessage, to_message
from openmessaging.server.http.names import InNamespace, Namespace, no_longer, queue_of, resources_of
from openmessaging.server.http.request import Request
from openmessaging.server.http.table import Route, tagged

DELAYED = "/v1/queues/{queue}/delayed/{messageId}"
SCHEDULE = "/v1/schedules/{schedule}"
_MAX_MS = 1 << 53


class DelayedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many are shown."""

    namespace: Namespace = DEFAULT_NAMESPACE
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DelayedView(msgspec.Struct, rename="camel"):
    """A message that waits."""

    message_id: str
    queue: str
    """Full name."""
    partition: int
    due_timestamp: int
    """When it is delivered, ms since the epoch."""
    message_key: str | None
    size_bytes: int
    """Of its body."""


class DelayedList(msgspec.Struct):
    """Messages that wait."""

    messages: list[DelayedView]


class Due(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """When a message shall be due. One of the two is given."""

    due_timestamp: Annotated[int, Meta(ge=0, le=_MAX_MS, description="ms since the epoch.")] | None = None
    delay: Annotated[float, Meta(ge=0, description="Seconds from now.")] | None = None


class NewSchedule(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A schedule. Either `cron` or `every` is given."""

    queue: Annotated[str, Meta(description="Bare or full; it comes into being on first use.")]
    message: Annotated[NewMessage, Meta(description="What is sent, without delay, expiry and partition.")]
    cron: Annotated[str, Meta(description="Five fields as Debian's cron reads them, or six with seconds.")] | None = (
        None
    )
    every: Annotated[float, Meta(gt=0, description="Seconds from one message to the next.")] | None = None
    zone: Annotated[str, Meta(description="Whose clock `cron` means.")] = "UTC"
    start_timestamp: Annotated[int, Meta(gt=0, le=_MAX_MS, description="ms since the epoch.")] | None = None
    end_timestamp: Annotated[int, Meta(gt=0, le=_MAX_MS, description="ms since the epoch.")] | None = None
    count: Annotated[int, Meta(ge=1, le=1 << 39)] | None = None
    catch_up: Annotated[int, Meta(ge=1, le=MAX_CATCH_UP)] = 1000


class ScheduleView(msgspec.Struct, rename="camel"):
    """A schedule and what it has done."""

    name: str
    queue: str
    """Full name."""
    cron: str | None
    every: float | None
    """Seconds; null with cron."""
    zone: str
    end_timestamp: int | None
    count: int | None
    catch_up: int
    next_timestamp: int | None
    """The next message; null when it is paused or over."""
    sent: int
    paused: bool
    over: bool
    problem: str | None
    """Why the last try to send failed."""


class ScheduleList(msgspec.Struct):
    """Schedules, by name."""

    schedules: list[ScheduleView]


class ScheduleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What of a schedule changes."""

    paused: bool


async def list_delayed(request: Request) -> DelayedList:
    """GET /v1/queues/{queue}/delayed"""
    found = await resources_of(request).list_delayed(queue_of(request), request.query.limit)
    return DelayedList(
        [
            DelayedView(each.message_id, each.queue, each.partition, each.due_ms, each.message_key, each.size_bytes)
            for each in found
        ]
    )


async def cancel(request: Request) -> None:
    """DELETE /v1/queues/{queue}/delayed/{messageId}"""
    message_id = request.params["messageId"]
    if not await request.driver.cancel_delayed(queue_of(request), message_id):
        raise no_longer(f"the message {message_id:.80} does not wait")


async def reschedule(request: Request) -> None:
    """PATCH /v1/queues/{queue}/delayed/{messageId}"""
    due: Due = request.input
    at = due.due_timestamp
    if (at is None) == (due.delay is None):
        raise error(1418, "one of dueTimestamp and delay is wanted", next_step="Give one of them", field="delay")
    message_id = request.params["messageId"]
    moment = due_from_now(due.delay, None) if at is None else at
    if not await request.driver.reschedule_delayed(queue_of(request), message_id, moment):
        raise no_longer(f"the message {message_id:.80} does not wait")


def view_of(info: ScheduleInfo) -> ScheduleView:
    """A schedule as it is shown."""
    return ScheduleView(
        info.name, info.queue, info.cron, info.every, info.zone, info.end_ms, info.count, info.catch_up, info.next_ms,
        info.sent, info.paused, info.over, info.problem,
    )  # fmt: skip


async def list_schedules(request: Request) -> ScheduleList:
    """GET /v1/schedules"""
    return ScheduleList([view_of(info) for info in await _schedules(request).list_schedules()])


async def describe_schedule(request: Request) -> ScheduleView:
    """GET /v1/schedules/{schedule}"""
    return view_of(await _schedules(request).describe_schedule(request.params["schedule"]))


async def put_schedule(request: Request) -> ScheduleView:
    """PUT /v1/schedules/{schedule}"""
    new: NewSchedule = request.input
    name = check_name(request.params["schedule"], "name")
    queue = full_name(new.queue, request.query.namespace)
    given = to_message(new.message, queue)
    headers: dict[str, Any] = dict(given.record.headers or {})
    properties = dict(given.properties) or None
    message = scheduled_message(queue, given.data, given.message_key, properties, headers)
    start, end = (None if at is None else at / 1000 for at in (new.start_timestamp, new.end_timestamp))
    rule = Rule(new.cron, new.every, new.zone, start, end, new.count, new.catch_up)
    return view_of(await request.driver.create_schedule(spec_of(name, queue, message, rule), True))


async def change_schedule(request: Request) -> ScheduleView:
    """PATCH /v1/schedules/{schedule}"""
    return view_of(await request.driver.pause_schedule(request.params["schedule"], request.input.paused))


async def delete_schedule(request: Request) -> None:
    """DELETE /v1/schedules/{schedule}"""
    await request.driver.delete_schedule(request.params["schedule"])


def _schedules(request: Request) -> Schedules:
    return resources_of(request)


ROUTES: list[Route] = [
    *tagged(
        "delayed messages",
        [
            Route(
                method="GET", path="/v1/queues/{queue}/delayed", handler=list_delayed, query=DelayedQuery,
                answer=DelayedList, errors=(1404,), summary="List messages that are not due yet",
            ),
            Route(
                method="PATCH", path=DELAYED, handler=reschedule, query=InNamespace, input=Due, status=204,
                errors=(1404, 409), summary="Let a delayed message be due at another time",
            ),
            Route(
                method="DELETE", path=DELAYED, handler=cancel, query=InNamespace, status=204, errors=(1404, 409),
                summary="Cancel a delayed message: it is never delivered",
            ),
        ],
    ),
    *tagged(
        "schedules",
        [
            Route(
                method="GET", path="/v1/schedules", handler=list_schedules, answer=ScheduleList,
                summary="List schedules",
            ),
            Route(
                method="GET", path=SCHEDULE, handler=describe_schedule, answer=ScheduleView, errors=(1404,),
                summary="Describe a schedule",
            ),
            Route(
                method="PUT", path=SCHEDULE, handler=put_schedule, query=InNamespace, input=NewSchedule,
                answer=ScheduleView, errors=(1404, 1405, 1413, 1416), summary="Make a schedule, or change it",
                description="The same again changes nothing.",
            ),
            Route(
                method="PATCH", path=SCHEDULE, handler=change_schedule, input=ScheduleChange, answer=ScheduleView,
                errors=(1404,), summary="Pause a schedule, or let it go on",
            ),
            Route(
                method="DELETE", path=SCHEDULE, handler=delete_schedule, status=204, errors=(1404,),
                summary="Delete a schedule; what it sent stays",
            ),
        ],
    ),
]  # fmt: skip
