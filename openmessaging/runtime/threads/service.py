# Generated from openmessaging/runtime/aio/service.py by scripts/unasync.py: change that file instead.
"""A service endpoint: takes requests from a queue as one of a consumer group, calls a handler, and answers.

Its workers are in `staff.py` beside this file. A request is settled after its answer was sent. What becomes of one
whose handler never came to its end depends on whether it is idempotent, see `docs/design/rpc.md`.

Source: runtime interface 0.1.0, "ServiceEndPoint" (publish, bind, load balance); its form is this project's.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.model.batch import is_at_most_once
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.mail import Handed, Mail, MailKind
from openmessaging.model.message import Record
from openmessaging.runtime import wall
from openmessaging.runtime.interceptor import (
    ConsumerInterceptor,
    InterceptContext,
    around,
    everywhere,
    logger,
    run_post,
    run_pre,
)
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.rpc import Request, answer_record, error_record, handed_request, opened_request
from openmessaging.runtime.serving import Arrived, Cancelled, Running, Statistics
from openmessaging.runtime.threads.lifecycle import Service
from openmessaging.runtime.threads.mailboxes import mailboxes_of
from openmessaging.runtime.threads.primitives import (
    Event,
    Periodic,
    Subscription,
    Task,
    call,
    settled,
)
from openmessaging.runtime.threads.settling import let_go
from openmessaging.runtime.threads.staff import Job, Staff
from openmessaging.runtime.threads.waits import Interrupted, Interruptible, as_stream, end_stream, in_scope

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint

PRE_RECEIVE, POST_RECEIVE, ON_ERROR = map(attrgetter, ("pre_receive", "post_receive", "on_error"))
STALL = 60.0
"""Seconds that a stream waits for its reader to take something."""


class ServiceEndpoint(Service):
    """Answers requests. Create it with `access_point.create_service`, where its settings are described."""

    _kind = "service"

    def __init__(
        self,
        access_point: AccessPoint,
        membership: Membership,
        queue: str,
        handler: Callable[[Request], Any],
        *,
        concurrency: int,
        grace: float,
    ) -> None:
        super().__init__()
        self.queue = access_point.full(queue)
        """Full name."""
        self.group = membership.group
        """The consumer group whose members share the requests."""
        self.concurrency = concurrency
        """Requests handled at once."""
        self.statistics = Statistics()
        """What it has done so far."""
        self.address = ""
        """Its mailbox, once started."""
        self._access_point = access_point
        self._membership = membership
        self._handler = handler
        self._grace = grace
        self._interceptors: list[ConsumerInterceptor] = [*everywhere[1]]
        self._invisible_time = membership.config.invisible_time

    def add_interceptor(self, interceptor: ConsumerInterceptor) -> None:
        """Add an interceptor behind those that are there; its hooks run around the handler."""
        self._interceptors = [*self._interceptors, interceptor]

    def troubles(self) -> list[str]:
        """Why it is not well, with the queue's name before each: it cannot receive, or all its handlers are at work on
        requests that nobody waits for any more. None when it is well."""
        found = self._staff.troubles()
        now_ms = wall.time_ns() // 1_000_000
        overdue = sum(0 < request.deadline_ms <= now_ms for request, _ in list(self._running.values()))
        if overdue >= self.concurrency:
            found.append(f"{overdue} handler(s) are at work, and nobody waits for them any more")
        return [f"{self.queue}: {trouble}" for trouble in found]

    def remove_interceptor(self, interceptor: ConsumerInterceptor) -> None:
        """Remove an interceptor; nothing happens when it is not there."""
        self._interceptors = [each for each in self._interceptors if each is not interceptor]

    def _open(self) -> None:
        driver = self._access_point.get_driver()
        self._max_body = driver.max_body_bytes
        self._mailboxes: Any = mailboxes_of(driver)
        self._subscription: Subscription = driver.subscribe(self._membership.spec(self.queue))
        self._running: dict[str, tuple[Request, Running]] = {}
        self._cancelled = Cancelled()
        self._staff = Staff(self._subscription, self.concurrency, self._serve)
        serves = (self.queue, self.group)
        self.address = call(self._mailboxes.open_mailbox, in_scope(self._take), serves, self._staff.offer)
        self._keeper = Periodic(self._invisible_time / 3, self._renew)
        self._staff.start()
        self._access_point.attach(self)

    def _serve(self, job: Job, waits: Interruptible) -> None:
        """Handle a request, or see that it need not or must not be handled any more."""
        if isinstance(job, Handed):
            running = Running(None, waits.interrupt)
            request = handed_request(job, running.is_cancelled)
            key = job.call_id
        else:
            running = Running(job, waits.interrupt)
            request = opened_request(job, running.is_cancelled)
            key = request.call_id or f"{job.delivery.lease_id}.{job.offset}"
        self._running[key] = request, running
        try:
            refused = self._refusal(request, running.arrived)
            if refused is None:
                self._settle_first(request, running)
                with around(self._interceptors, "process", [request], self.group):
                    posted = self._handle(request, running, waits)
                if not request.idempotent:
                    self._ack(running)  # it goes out together with the answer
                if posted is not True and not settled(posted):
                    self.statistics.orphaned += 1
            elif refused:
                self._refuse(request, refused)
            self._ack(running)
        except Exception as failure:
            logger.warning("a request will be delivered again: %s", failure, exc_info=failure)
            self._give_back(running, counted=True)
        except BaseException:
            self._abandon(request, running)
            raise
        finally:
            self._running.pop(key, None)

    def _refusal(self, request: Request, arrived: Arrived | None) -> str | None:
        """Why a request is not handled: a text for the requester, or an empty one when nobody waits any more; None:
        it is handled."""
        statistics = self.statistics
        if request.deadline_ms and request.deadline_ms <= wall.time_ns() // 1_000_000:
            statistics.expired += 1
            return ""
        if self._cancelled.take(request.call_id):
            statistics.cancelled += 1
            return ""
        if request.reply_to is None or arrived is None:
            return None
        there = self._mailboxes.has_mailbox(request.reply_to, arrived.delivery.store_ms)
        if there is not True and not settled(there):
            statistics.orphaned += 1
            return ""
        if arrived.delivery.attempt > 1 and not request.idempotent:
            statistics.interrupted += 1
            return "the service that had the request is gone"
        return None

    def _handle(self, request: Request, running: Running, waits: Interruptible) -> Any:
        """Call the handler; whether its answer found its requester, perhaps to be awaited, True without an answer."""
        statistics = self.statistics
        statistics.requests += 1
        interceptors = self._interceptors
        context: InterceptContext | None = None
        started = monotonic()
        try:
            if interceptors:
                context = run_pre(interceptors, PRE_RECEIVE, request)
            result = waits.run(self._handler(request))
            stream = as_stream(result)
            if stream is not None:
                mail = waits.run(self._stream(request, running, stream))
            else:
                record = answer_record(result, self._max_body)
                mail = Mail(MailKind.ANSWER, request.call_id, 0, self.address, self.group, record)
        except Interrupted:
            mail = None
        except Exception as failure:
            statistics.errors += 1
            if context is not None:
                run_post(interceptors, ON_ERROR, request, context, failure)
            if request.reply_to is None:
                raise
            record = error_record(failure)
            mail = Mail(MailKind.ERROR, request.call_id, running.sent, self.address, self.group, record)
        else:
            if context is not None:
                run_post(interceptors, POST_RECEIVE, request, context)
        finally:
            statistics.seconds += monotonic() - started
        if running.cancelled or mail is None:
            statistics.cancelled += 1
        elif request.reply_to is not None and not running.settled:
            return self._mailboxes.post(request.reply_to, mail)
        return True

    def _stream(self, request: Request, running: Running, items: Any) -> Mail:
        """Send the items of a stream, never more than the reader has room for; the mail that ends it."""
        changed = Event()
        running.progress = changed.set
        try:
            if request.reply_to is not None and not request.window:
                step = "Ask with request_stream"
                raise error(1400, "the service answers with a stream, and one answer was asked for", next_step=step)
            for item in items:
                record = answer_record(item, self._max_body)
                while running.sent >= running.credit + request.window and not running.cancelled:
                    changed.clear()
                    if running.sent >= running.credit + request.window and not changed.wait_within(STALL):
                        raise error(1410, f"the reader of the stream took nothing for {STALL:g} s")
                mail = Mail(MailKind.ITEM, request.call_id, running.sent, self.address, self.group, record)
                if running.cancelled or not call(self._mailboxes.post, request.reply_to, mail):
                    break
                running.sent += 1
        finally:
            end_stream(items)
        return Mail(MailKind.END, request.call_id, running.sent, self.address, self.group)

    def _refuse(self, request: Request, why: str) -> None:
        step = "It may have been handled, or in part; requests that are idempotent are handled again"
        record = error_record(error(1503, f"{why}. {step}"))
        mail = Mail(MailKind.ERROR, request.call_id, 0, self.address, self.group, record)
        call(self._mailboxes.post, request.reply_to, mail)

    def _abandon(self, request: Request, running: Running) -> None:
        """A handler will not come to its end: another service gets the request where that is allowed."""
        if running.settled:
            return
        if request.idempotent or request.reply_to is None:
            self._give_back(running, counted=False)
        else:
            self._ack(running)
            self._refuse(request, "the service was stopped while it handled the request")

    def _settle_first(self, request: Request, running: Running) -> None:
        """A plain message of qos 1 is settled before it is handled. (What a requester waits for is handled once anyway:
        he is gone when it comes again.) Raises OMSRuntimeException when it cannot be: it is not handled then."""
        arrived = running.arrived
        if arrived is not None and request.reply_to is None and is_at_most_once(request.record):
            self._subscription.ack(arrived.delivery.lease_id, (arrived.offset,))
            running.settled = True
            self._subscription.flush()

    def _ack(self, running: Running) -> None:
        if not running.settled:
            running.settled = True
            arrived = running.arrived
            if arrived is None:
                return
            try:
                self._subscription.ack(arrived.delivery.lease_id, (arrived.offset,))
            except OMSRuntimeException as failure:
                logger.warning("a request will be delivered again: %s", failure)

    def _give_back(self, running: Running, *, counted: bool) -> None:
        arrived = running.arrived
        if not running.settled and arrived is not None:
            running.settled = True
            lease_id, offsets = arrived.delivery.lease_id, (arrived.offset,)
            try:
                if counted:
                    self._subscription.nack(lease_id, offsets, None, "the service failed")
                else:
                    self._subscription.release(lease_id, offsets)
            except OMSRuntimeException as failure:
                logger.debug("giving back a request: %s", failure)

    def _take(self, mail: Mail) -> None:
        """Mail of a requester."""
        if mail.kind == MailKind.PING:
            Task(self._pong, mail)
            return
        _, running = self._running.get(mail.correlation_id, (None, None))
        if running is None:
            if mail.kind == MailKind.CANCEL:
                self._cancelled.add(mail.correlation_id)
        elif mail.kind == MailKind.CANCEL:
            running.cancel()
        elif mail.kind == MailKind.CREDIT:
            running.advance(mail.sequence)

    def _pong(self, ping: Mail) -> None:
        record = Record(msgspec.json.encode(self.statistics))
        answer = Mail(MailKind.ANSWER, ping.correlation_id, 0, self.address, self.group, record)
        call(self._mailboxes.post, ping.source, answer)

    def _renew(self) -> None:
        """Let the leases of what is here last; a handler whose lease is lost goes on, another may have its request."""
        running = [each.arrived for _, each in list(self._running.values()) if not each.settled]
        arrived = running + list(self._staff.ready)
        for lease_id in {each.delivery.lease_id for each in arrived if each is not None}:
            try:
                self._subscription.extend(lease_id, self._invisible_time)
            except OMSRuntimeException as failure:
                logger.debug("a lease was lost: %s", failure)

    def _close(self) -> None:
        self._access_point.detach(self)
        staff = self._staff
        staff.stop()
        deadline = monotonic() + self._grace
        staff.join(lambda: deadline - monotonic())
        while staff.ready:  # no handler was called: somebody else may have it
            self._give_back(Running(staff.ready.popleft(), _nothing), counted=False)
        for request, running in list(self._running.values()):
            self._abandon(request, running)
            running.cancelled = True
        staff.dismiss()
        self._keeper.stop()
        call(self._mailboxes.close_mailbox, self.address)
        let_go(self._subscription)


def _nothing() -> None:
    """A request that is in no handler has nothing to interrupt."""
