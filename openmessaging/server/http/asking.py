"""Request and reply: ask a service and get its answer as the answer; answer requests; list services."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import CODES, OMSRuntimeException, error
from openmessaging.model.mail import Mail, MailKind
from openmessaging.model.message import Record
from openmessaging.runtime.aio.mailboxes import mailboxes_of
from openmessaging.runtime.aio.primitives import call
from openmessaging.runtime.outgoing import checked_record
from openmessaging.runtime.rpc import CODE, MAX_ERROR_BYTES, OMSRemoteException
from openmessaging.server.http.groups import GROUP, group_of
from openmessaging.server.http.messages import BodyForm, NewMessage, show_body, to_message, to_properties
from openmessaging.server.http.names import InNamespace, Namespace, queue_of
from openmessaging.server.http.problem import HttpError
from openmessaging.server.http.request import Request
from openmessaging.server.http.sends import MAX_SEND_BYTES
from openmessaging.server.http.table import Route, tagged

MAX_TIMEOUT = 60.0


class AskQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How a service is asked."""

    namespace: Namespace = DEFAULT_NAMESPACE
    timeout: Annotated[float, Meta(gt=0, le=MAX_TIMEOUT, description="Seconds to wait for the answer.")] = 10.0
    idempotent: Annotated[bool, Meta(description="Whether it may be handled again when a service dies.")] = False
    body: BodyForm = "auto"


class Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a service answered."""

    correlation_id: str
    text: str | UnsetType = UNSET
    json: msgspec.Raw | UnsetType = UNSET
    data: bytes | UnsetType = UNSET
    properties: dict[str, Any] = {}


class Reply(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The answer to a request that was received, or an error in its place."""

    reply_to: Annotated[str, Meta(description="The request's property `rpc.reply-to`.")]
    correlation_id: Annotated[str, Meta(description="The request's.")]
    message: NewMessage | None = None
    error: Annotated[str, Meta(max_length=MAX_ERROR_BYTES, description="Why there is no answer.")] | None = None
    code: Annotated[int, Meta(description="Code of the error.")] = 1500


class Replied(msgspec.Struct):
    """Whether somebody still waited."""

    delivered: bool


class ServiceView(msgspec.Struct):
    """A service at work."""

    queue: str
    """Full name."""
    group: str


class ServiceList(msgspec.Struct):
    """Services at work: one entry per worker."""

    services: list[ServiceView]


async def ask(request: Request) -> Answer:
    """POST /v1/queues/{queue}/request"""
    query: AskQuery = request.query
    message = to_message(request.input, queue_of(request))
    requester = await request.app.sharing.requester(request.driver)
    try:
        answer = await requester.request(message, query.timeout, query.idempotent)
    except OMSRemoteException as failure:
        raise HttpError(502, failure.code, failure.reason, next_step="The service answered with an error") from failure
    except OMSRuntimeException as failure:
        if failure.code != 1410:
            raise
        raise HttpError(504, 1410, failure.reason, next_step=failure.next_step) from failure
    properties = answer.record.properties or {}
    shown = to_properties(properties, binary=request.binary)
    view = Answer(answer.get_header("correlationId") or "", properties=shown)
    show_body(view, answer.data, query.body)
    return view


async def reply(request: Request) -> Replied:
    """POST /v1/replies"""
    given: Reply = request.input
    if (given.message is None) == (given.error is None):
        raise error(1418, "one of message and error is wanted", next_step="Give one of them", field="message")
    if given.message is not None:
        kind = MailKind.ANSWER
        checked = checked_record(to_message(given.message, "reply"), request.driver.max_body_bytes)
        record = Record(checked.data, checked.message_key, dict(checked.properties or {}), checked.headers)
    else:
        if given.code not in CODES:
            raise error(1418, f"{given.code} is no code of the standard", next_step="Use 1500", field="code")
        kind = MailKind.ERROR
        record = Record((given.error or "").encode(errors="replace"), None, {CODE: given.code})
    mail = Mail(kind, given.correlation_id, record=record)
    return Replied(bool(await call(mailboxes_of(request.driver).post, given.reply_to, mail)))


async def serve(request: Request) -> None:
    """PUT …/groups/{group}/service"""
    await request.app.sharing.serve(request.driver, queue_of(request), group_of(request))


async def list_services(request: Request) -> ServiceList:
    """GET /v1/services"""
    found = await call(mailboxes_of(request.driver).services, None)
    return ServiceList(sorted((ServiceView(each.queue, each.group) for each in found), key=lambda one: one.queue))


ROUTES: list[Route] = tagged(
    "request and reply",
    [
        Route(
            method="POST", path="/v1/queues/{queue}/request", handler=ask, query=AskQuery, input=NewMessage,
            answer=Answer, errors=(1404, 1411, 1412, 1413, 502, 504, 1503), limit=MAX_SEND_BYTES,
            summary="Ask a service, and wait for its answer",
        ),
        Route(
            method="POST", path="/v1/replies", handler=reply, input=Reply, answer=Replied, limit=MAX_SEND_BYTES,
            errors=(1411, 1412, 1413), summary="Answer a request that was received from its queue",
        ),
        Route(
            method="PUT", path=f"{GROUP}/service", handler=serve, query=InNamespace, status=204, errors=(1404,),
            summary="Say that a service reads this group for a minute from now: requests are taken for it",
            description="Receive the requests from the group, answer each with `/v1/replies`, then acknowledge it.",
        ),
        Route(
            method="GET", path="/v1/services", handler=list_services, answer=ServiceList, summary="List services",
        ),
    ],
)  # fmt: skip
