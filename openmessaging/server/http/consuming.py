"""Receiving under a lease, and settling by receipts: from any connection, for the receipt says what is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openmessaging.model.cloud_event_http import BATCHED_TYPE, STRUCTURED_TYPE, Mode
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, error
from openmessaging.model.settings import GroupConfig
from openmessaging.model.spi import Delivery, Subscription
from openmessaging.runtime.aio.settling import settle_deliveries
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.receipt import MessageReceipt
from openmessaging.server.http.binding.form import events_of, form_of
from openmessaging.server.http.groups import GROUP, MessageList, group_of
from openmessaging.server.http.messages import BodyForm, MessageView, show_body, show_headers, to_properties
from openmessaging.server.http.names import InNamespace, queue_of
from openmessaging.server.http.problem import Problem, problem_of
from openmessaging.server.http.request import Request, Response, respond
from openmessaging.server.http.table import Route, tagged

MAX_RECEIVED = 1000
MAX_BYTES = 8 << 20
MAX_SECONDS = 365 * 86_400.0
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
Durable = Annotated[bool, Meta(description="Answer when it is on disk; else it is with the next sync.")]
Receipts = Annotated[list[str], Meta(min_length=1, max_length=1000)]


class Receive(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is asked for."""

    max_messages: Annotated[int, Meta(ge=1, le=MAX_RECEIVED)] = 1
    max_bytes: Annotated[int, Meta(ge=1, le=MAX_BYTES, description="About; one message comes in any case.")] = 1 << 20
    wait: Annotated[float, Meta(ge=0, le=60, description="Seconds to wait for the first message.")] = 0.0
    invisible_time: (
        Annotated[float, Meta(gt=0, le=MAX_SECONDS, description="Seconds until they come again; null: as the group.")]
        | None
    ) = None
    body: BodyForm = "auto"
    group: (
        Annotated[GroupConfig, Meta(description="Settings of the group, used when it is made by this request.")] | None
    ) = None


class Ack(msgspec.Struct, forbid_unknown_fields=True):
    """What is done."""

    receipts: Receipts
    durable: Durable = False


class Nack(msgspec.Struct, forbid_unknown_fields=True):
    """What failed."""

    receipts: Receipts
    delay: Annotated[Seconds, Meta(description="Seconds until it comes again; null: the group's back-off.")] | None = (
        None
    )
    reason: Annotated[str, Meta(max_length=1000)] = ""
    durable: Durable = False


class Reject(msgspec.Struct, forbid_unknown_fields=True):
    """What can never be handled."""

    receipts: Receipts
    reason: Annotated[str, Meta(max_length=1000)] = ""
    durable: Durable = False


class Release(msgspec.Struct, forbid_unknown_fields=True):
    """What was not handled."""

    receipts: Receipts
    durable: Durable = False


class Extend(msgspec.Struct, forbid_unknown_fields=True):
    """What shall stay hidden."""

    receipts: Receipts
    seconds: Annotated[float, Meta(gt=0, le=MAX_SECONDS, description="From now.")]


class NotSettled(msgspec.Struct):
    """A receipt that could not be used, and why."""

    receipt: str
    problem: Problem


class Settled(msgspec.Struct):
    """What became of receipts. When none could be used, the request fails instead."""

    settled: int
    failures: list[NotSettled]


Step = Callable[[Subscription, int, Sequence[int]], object]


async def receive(request: Request) -> Response:
    """POST …/groups/{group}/receive"""
    wanted: Receive = request.input or Receive()
    queue, group, app = queue_of(request), group_of(request), request.app
    mode = form_of(request.headers)
    if mode not in (None, Mode.BATCHED) and wanted.max_messages != 1:
        raise error(1418, "this mode holds one event", next_step=f"Accept {BATCHED_TYPE}", field="maxMessages")
    wait = min(wanted.wait, app.limits.max_wait)
    for again in (True, False):
        subscription = await _hold(request, queue, group, wanted.group or GroupConfig())
        fetch = subscription.fetch(wanted.max_messages, wanted.max_bytes, wait)
        try:
            deliveries = await (app.long_poll(fetch) if wait else fetch)
            break
        except OMSDestinationException:  # others deleted what is held
            app.sharing.forget(queue, group)
            if not again:
                raise
    release = partial(give_back, subscription, {delivery.lease_id for delivery in deliveries})
    try:
        if wanted.invisible_time is not None:
            for lease_id in {delivery.lease_id for delivery in deliveries}:
                subscription.extend(lease_id, wanted.invisible_time)
        await settle_deliveries(subscription, deliveries)
        if mode is None:
            response = respond(request, MessageList(views_of(deliveries, wanted.body, binary=request.binary)))
        else:
            response = events_of(subscription, deliveries, mode)
    except BaseException:
        release()
        raise
    response.undelivered = release
    return response


def views_of(deliveries: Sequence[Delivery], form: BodyForm, *, binary: bool) -> list[MessageView]:
    """Messages with their receipts. Raises OMSRuntimeException 1501 for damaged bytes."""
    views: list[MessageView] = []
    origin: DeliveryOrigin | None = None
    for delivery in deliveries:
        origin = DeliveryOrigin(delivery, origin)
        queue, partition, base, stored = (
            delivery.destination,
            delivery.partition,
            delivery.base_offset,
            delivery.store_ms,
        )
        host, attempt, lease_id = origin.header("bornHost", delivery.first), delivery.attempt, delivery.lease_id
        for place, record in enumerate(origin.members, delivery.first):
            message_id = origin.header("messageId", place)
            offset = base + place
            receipt = MessageReceipt(message_id, queue, partition, offset, attempt, lease_id)
            view = MessageView(
                message_id, queue, partition, offset, origin.header("bornTimestamp", place), stored, host,
                message_key=record.message_key, delivery_count=attempt, receipt=str(receipt),
            )  # fmt: skip
            if record.properties:
                view.properties = to_properties(record.properties, binary=binary)
            if record.headers:
                show_headers(view, record.headers)
            show_body(view, record.data, form)
            views.append(view)
    return views


async def ack(request: Request) -> Settled:
    """POST …/groups/{group}/ack"""
    wanted: Ack = request.input
    return await _settle(request, wanted, lambda sub, lease, offsets: sub.ack(lease, offsets))


async def nack(request: Request) -> Settled:
    """POST …/groups/{group}/nack"""
    wanted: Nack = request.input
    return await _settle(
        request, wanted, lambda sub, lease, offsets: sub.nack(lease, offsets, wanted.delay, wanted.reason)
    )


async def reject(request: Request) -> Settled:
    """POST …/groups/{group}/reject"""
    wanted: Reject = request.input
    return await _settle(request, wanted, lambda sub, lease, offsets: sub.reject(lease, offsets, wanted.reason))


async def release(request: Request) -> Settled:
    """POST …/groups/{group}/release"""
    return await _settle(request, request.input, lambda sub, lease, offsets: sub.release(lease, offsets))


async def extend(request: Request) -> Settled:
    """POST …/groups/{group}/extend"""
    wanted: Extend = request.input
    return await _settle(request, wanted, lambda sub, lease, _: sub.extend(lease, wanted.seconds))


async def _settle(request: Request, wanted: Ack | Nack | Reject | Release | Extend, step: Step) -> Settled:
    read = Receipted(wanted.receipts, queue_of(request))
    subscription = await _hold(request, read.queue, group_of(request), None) if read.leases else None
    try:
        settled = read.settle(subscription, step)
    except OMSDestinationException:  # others deleted what is held
        request.app.sharing.forget(read.queue, group_of(request))
        raise
    if subscription is not None and getattr(wanted, "durable", False):
        await subscription.flush()
    return settled


class Receipted:
    """What receipts of a queue stand for, lease by lease."""

    def __init__(self, receipts: Sequence[str], queue: str) -> None:
        self.queue = queue
        self.leases: dict[int, dict[int, str]] = {}
        self._failures: list[tuple[str, OMSRuntimeException]] = []
        for text in dict.fromkeys(receipts):
            try:
                receipt = receipt_of(text, queue)
            except OMSRuntimeException as failure:
                self._failures.append((text, failure))
            else:
                self.leases.setdefault(receipt.lease_id, {})[receipt.offset] = text

    def settle(self, subscription: Subscription | None, step: Step) -> Settled:
        """Settle lease by lease; where a lease's receipts fail together, one by one. Raises the first failure when
        none could be used."""
        settled = 0
        failures = self._failures
        if subscription is not None:
            for lease_id, offsets in self.leases.items():
                failed = _settle_lease(subscription, lease_id, offsets, step)
                settled += len(offsets) - len(failed)
                failures = failures + failed
        if not settled:
            raise failures[0][1]
        return Settled(settled, [NotSettled(text, problem_of(failure)) for text, failure in failures])


def _settle_lease(
    subscription: Subscription, lease_id: int, offsets: dict[int, str], step: Step
) -> list[tuple[str, OMSRuntimeException]]:
    try:
        step(subscription, lease_id, sorted(offsets))
    except OMSRuntimeException as failure:
        if len(offsets) == 1:
            return [(text, failure) for text in offsets.values()]
        return [
            each
            for offset, text in offsets.items()
            for each in _settle_lease(subscription, lease_id, {offset: text}, step)
        ]
    return []


def receipt_of(text: str, queue: str) -> MessageReceipt:
    """A receipt for a queue (full name). Raises OMSRuntimeException 1418 for what is none, or of another queue."""
    receipt = MessageReceipt.parse(text)
    if receipt.queue != queue:
        raise error(
            1418, f"the receipt is of {receipt.queue!r:.300}", next_step="Use it where it is from", field="receipt"
        )
    if not 0 <= receipt.offset < 1 << 62 or not 0 <= receipt.lease_id < 1 << 62:
        raise error(1418, "the receipt is out of range", field="receipt")
    return receipt


async def _hold(request: Request, queue: str, group: str, config: GroupConfig | None) -> Subscription:
    return await request.app.sharing.subscription(request.driver, queue, group, config)


def give_back(subscription: Subscription, leases: set[int]) -> None:
    """Give back what nobody has got."""
    for lease_id in leases:
        try:
            subscription.release(lease_id, None)
        except OMSRuntimeException as failure:
            if failure.code not in (1404, 1418, 1503):
                raise


_SETTLING = "Receipts are used whoever received the message; those that cannot be used are told one by one."

ROUTES: list[Route] = tagged(
    "consuming",
    [
        Route(
            method="POST", path=f"{GROUP}/receive", handler=receive, query=InNamespace, input=Receive,
            input_required=False, answer=MessageList, errors=(1404, 1405, 1416),
            answer_media={STRUCTURED_TYPE: dict[str, Any], BATCHED_TYPE: list[dict[str, Any]]},
            summary="Receive messages under a lease, waiting for the first",
            description="The group is made when it is missing. What is not settled comes again when the lease is over.",
        ),
        Route(
            method="POST", path=f"{GROUP}/ack", handler=ack, query=InNamespace, input=Ack, answer=Settled,
            errors=(1404,), summary="Acknowledge: done, never deliver them again", description=_SETTLING,
        ),
        Route(
            method="POST", path=f"{GROUP}/nack", handler=nack, query=InNamespace, input=Nack, answer=Settled,
            errors=(1404,), summary="Give back as failed: they come again, or become dead letters",
            description=_SETTLING,
        ),
        Route(
            method="POST", path=f"{GROUP}/reject", handler=reject, query=InNamespace, input=Reject, answer=Settled,
            errors=(1404,), summary="Make dead letters of messages now", description=_SETTLING,
        ),
        Route(
            method="POST", path=f"{GROUP}/release", handler=release, query=InNamespace, input=Release, answer=Settled,
            errors=(1404,), summary="Give back as never handled: visible at once, not counted", description=_SETTLING,
        ),
        Route(
            method="POST", path=f"{GROUP}/extend", handler=extend, query=InNamespace, input=Extend, answer=Settled,
            errors=(1404,), summary="Keep messages hidden for longer", description=_SETTLING,
        ),
    ],
)  # fmt: skip
