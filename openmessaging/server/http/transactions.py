"""Transactions: sends and acknowledgements in one step, and messages that are prepared and decided on later."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from openmessaging.model.destination import check_name, full_name
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.transaction import InDoubt, Settlement, TransactionCheck
from openmessaging.runtime.aio.prepared import Preparer, stored_message
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.outgoing import checked_records
from openmessaging.server.http.consuming import MAX_SECONDS, Receipts, receipt_of
from openmessaging.server.http.messages import MAX_MESSAGES, MessageView, NewMessage, to_message, to_view
from openmessaging.server.http.names import InNamespace
from openmessaging.server.http.request import Request
from openmessaging.server.http.sends import MAX_SEND_BYTES, TIMEOUT, SentMany, sent_views
from openmessaging.server.http.table import Route, tagged

TRANSACTION = "/v1/transactions/{transactionId}"


class SendPart(msgspec.Struct, forbid_unknown_fields=True):
    """Messages for one queue."""

    queue: Annotated[str, Meta(description="Bare or full.")]
    messages: Annotated[list[NewMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class AckPart(msgspec.Struct, forbid_unknown_fields=True):
    """Messages that are done."""

    queue: Annotated[str, Meta(description="Bare or full.")]
    group: str
    receipts: Receipts


class Commit(msgspec.Struct, forbid_unknown_fields=True):
    """What happens as a whole, or not at all, whatever crashes."""

    send: Annotated[list[SendPart], Meta(max_length=100)] = []
    ack: Annotated[list[AckPart], Meta(max_length=100)] = []


_Times = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]


class CheckTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a producer is asked about what it has not decided on, in seconds."""

    first: _Times = 6.0
    interval: _Times = 30.0
    limit: Annotated[int, Meta(ge=0, le=1_000_000, description="Questions, after which it is rolled back.")] = 15
    expire: Annotated[_Times, Meta(description="After which it is rolled back in any case.")] = 86_400.0


class Prepare(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A message that stays invisible until it is committed."""

    queue: Annotated[str, Meta(description="Bare or full.")]
    message: NewMessage
    producer: Annotated[str, Meta(description="Who may be asked about it.")] = "default"
    check: CheckTimes = CheckTimes()


class Prepared(msgspec.Struct, rename="camel"):
    """A message that was prepared."""

    transaction_id: str
    message_id: str


class DoubtView(msgspec.Struct, rename="camel"):
    """A prepared message without a decision."""

    transaction_id: str
    queue: str
    """Full name."""
    producer: str
    prepared_timestamp: int
    """ms since the epoch."""
    checks: int
    """How often its producer was asked."""
    next_check_timestamp: int
    message: MessageView


class DoubtList(msgspec.Struct):
    """Prepared messages without a decision, the oldest first."""

    transactions: list[DoubtView]


class Check(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Who asks what he has to decide on now."""

    producer: str = "default"
    max_transactions: Annotated[int, Meta(ge=1, le=100)] = 10


class Decided(msgspec.Struct):
    """What was decided."""

    state: Literal["committed", "rolled back"]


async def commit(request: Request) -> SentMany:
    """POST /v1/commit"""
    wanted: Commit = request.input
    namespace = request.query.namespace
    messages: list[Message] = []
    for part in wanted.send:
        queue = full_name(part.queue, namespace)
        messages += [to_message(each, queue) for each in part.messages]
    if len(messages) > MAX_MESSAGES or not (messages or wanted.ack):
        raise error(1418, f"{len(messages):,} messages", next_step="Send or acknowledge something", field="send")
    settlements: list[Settlement] = []
    for done in wanted.ack:
        settlements += await _settlements(request, done, full_name(done.queue, namespace))
    driver = request.driver
    checked = checked_records(messages, driver.max_body_bytes)
    packer = request.app.sharing.packer(request.client, driver)
    results = await send_whole(driver, packer, messages, checked, TIMEOUT, settlements)
    return SentMany(sent_views(results))


async def _settlements(request: Request, done: AckPart, queue: str) -> list[Settlement]:
    leases: dict[int, list[int]] = {}
    for text in dict.fromkeys(done.receipts):
        receipt = receipt_of(text, queue)
        leases.setdefault(receipt.lease_id, []).append(receipt.offset)
    group = check_name(done.group, "group")
    subscription = await request.app.sharing.subscription(request.driver, queue, group, None)
    return [Settlement(subscription, lease_id, sorted(offsets)) for lease_id, offsets in leases.items()]


async def prepare(request: Request) -> Prepared:
    """POST /v1/transactions"""
    wanted: Prepare = request.input
    message = to_message(wanted.message, full_name(wanted.queue, request.query.namespace))
    driver = request.driver
    packer = request.app.sharing.packer(request.client, driver)
    producer = check_name(wanted.producer, "producer")
    check = wanted.check
    times = TransactionCheck(check.first, check.interval, check.limit, check.expire)
    prepared = await Preparer(driver, packer, producer, times, TIMEOUT).prepare(message)
    return Prepared(prepared.transaction_id, prepared.message_id)


async def list_transactions(request: Request) -> DoubtList:
    """GET /v1/transactions"""
    return _doubts(request, await request.driver.list_transactions())


async def check(request: Request) -> DoubtList:
    """POST /v1/transactions/check"""
    asked: Check = request.input
    producer = check_name(asked.producer, "producer")
    return _doubts(request, await request.driver.check_transactions(producer, asked.max_transactions))


async def decide(request: Request) -> Decided:
    """POST /v1/transactions/{transactionId}/commit and …/rollback"""
    committed = request.path.endswith("/commit")
    await request.driver.end_transaction(request.params["transactionId"], committed)
    return Decided("committed" if committed else "rolled back")


def _doubts(request: Request, found: list[InDoubt]) -> DoubtList:
    binary = request.binary
    return DoubtList(
        [
            DoubtView(
                each.transaction_id, each.destination, each.producer, each.prepared_ms, each.checks,
                each.next_check_ms, to_view(stored_message(each), binary=binary),
            )
            for each in found
        ]
    )  # fmt: skip


ROUTES: list[Route] = tagged(
    "transactions",
    [
        Route(
            method="POST", path="/v1/commit", handler=commit, query=InNamespace, input=Commit, answer=SentMany,
            errors=(1404, 1405, 1411, 1412, 1413, 1416), limit=MAX_SEND_BYTES,
            summary="Send and acknowledge in one step: all of it, or none",
        ),
        Route(
            method="POST", path="/v1/transactions", handler=prepare, query=InNamespace, input=Prepare, status=201,
            answer=Prepared, errors=(1404, 1405, 1411, 1412, 1413, 1416), limit=MAX_SEND_BYTES,
            summary="Prepare a message: stored, and invisible until it is committed",
        ),
        Route(
            method="GET", path="/v1/transactions", handler=list_transactions, answer=DoubtList,
            summary="List prepared messages without a decision",
        ),
        Route(
            method="POST", path="/v1/transactions/check", handler=check, input=Check, answer=DoubtList,
            summary="Ask what a producer has to decide on now; each counts as asked",
        ),
        Route(
            method="POST", path=f"{TRANSACTION}/commit", handler=decide, answer=Decided,
            summary="Deliver a prepared message; again is no error",
        ),
        Route(
            method="POST", path=f"{TRANSACTION}/rollback", handler=decide, answer=Decided,
            summary="Drop a prepared message; again is no error",
        ),
    ],
)  # fmt: skip
