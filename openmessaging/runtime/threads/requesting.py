# Generated from openmessaging/runtime/aio/requesting.py by scripts/unasync.py: change that file instead.
"""What a producer can ask: requests to services, with one answer, with one of each group, or with a stream of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from openmessaging.model.errors import error
from openmessaging.model.mail import ServiceInfo
from openmessaging.model.message import Message
from openmessaging.runtime.interceptor import ProducerInterceptor, run_post, run_pre
from openmessaging.runtime.replies import check_timeout
from openmessaging.runtime.rpc import Replies
from openmessaging.runtime.threads.lifecycle import Service
from openmessaging.runtime.threads.primitives import Lock
from openmessaging.runtime.threads.requests import ReplyStream, Requester

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint

PRE_SEND, POST_SEND, ON_ERROR = map(attrgetter, ("pre_send", "post_send", "on_error"))


class Requesting(Service):
    """The part of a producer that sends requests; what it needs is opened with the first one."""

    _access_point: AccessPoint
    _interceptors: list[ProducerInterceptor]

    def __init__(self, timeout: float, compression: str) -> None:
        super().__init__()
        self._timeout = timeout
        self._compression = compression
        self._opening = Lock()
        self._requester: Requester | None = None

    def request(self, message: Message, timeout: float | None = None, *, idempotent: bool = False) -> Message:
        """Send a request to a service and return its answer.

        Cancelling it, like a timeout, cancels the request: a coroutine that handles it is cancelled too, and one not
        handled yet never is.

        Args:
            message: the request; its `correlation_id` and `expire_time` are set by the library.
            timeout: seconds until the answer must be here; None: that of the producer.
            idempotent: whether it may be handled again when a service dies of it; without that it is handled at most
                once, and the error tells what is known.

        Raises OMSRemoteException with the service's code and text; OMSRuntimeException 1503 when no service serves the
        queue, when the one that had the request was stopped, and outside STARTED; OMSTimeOutException 1410; otherwise
        as `send`.
        """
        requester = self._requester or self._open_requester()
        timeout = self._timeout if timeout is None else timeout
        check_timeout(timeout)
        if not self._interceptors:
            return requester.request(message, timeout, idempotent)
        interceptors = tuple(self._interceptors)
        context = run_pre(interceptors, PRE_SEND, message)
        try:
            answer = requester.request(message, timeout, idempotent)
        except BaseException as failure:
            run_post(interceptors, ON_ERROR, message, context, failure)
            raise
        run_post(interceptors, POST_SEND, message, context)
        return answer

    def request_all(
        self, message: Message, timeout: float | None = None, *, count: int | None = None, idempotent: bool = False
    ) -> Replies:
        """Send a request to all groups of services of a queue, and gather one answer of each.

        Args:
            message: the request.
            timeout: seconds after which what came until then is returned; None: that of the producer.
            count: answers to wait for; None: one from each group that serves the queue now.
            idempotent: see `request`.

        Raises OMSRuntimeException 1503 when no service serves the queue; errors of services are in the result.
        """
        requester = self._requester or self._open_requester()
        timeout = self._timeout if timeout is None else timeout
        check_timeout(timeout)
        return requester.gather(message, timeout, count, idempotent)

    def request_stream(
        self, message: Message, timeout: float | None = None, *, window: int = 64, idempotent: bool = False
    ) -> ReplyStream:
        """Send a request whose service answers with a stream: `with` it and iterate over it with `for`.

        The request is sent with the first item asked for. Items come in order, each once; after an error of the service
        nothing more comes.

        Args:
            message: the request.
            timeout: seconds that each item is waited for; None: that of the producer.
            window: items that may be under way or unread; the service waits then.
            idempotent: see `request`. A stream that has begun is never begun again.

        Raises OMSRuntimeException 1418 for a window below 1; the iteration raises as `request`.
        """
        timeout = self._timeout if timeout is None else timeout
        check_timeout(timeout)
        if window < 1:
            raise error(1418, f"window: {window!r} is not at least 1", field="window")
        return ReplyStream(self._get_requester, message, timeout, window, idempotent)

    def services(self, queue: str | None = None) -> list[ServiceInfo]:
        """The services at work, of one queue or all. Raises OMSRuntimeException 1503 outside STARTED."""
        requester = self._get_requester()
        return requester.services(None if queue is None else self._access_point.full(queue))

    def ping(self, service: ServiceInfo, timeout: float | None = None) -> Message:
        """Ask a service for its `Statistics`, as JSON. Raises OMSRuntimeException 1503 when it is gone, 1410."""
        requester = self._get_requester()
        return requester.ping(service, self._timeout if timeout is None else timeout)

    @property
    def late_replies(self) -> int:
        """Answers that were dropped: their request was over, or had been answered."""
        return self._requester.calls.late if self._requester is not None else 0

    def _get_requester(self) -> Requester:
        return self._requester or self._open_requester()

    def _open_requester(self) -> Requester:
        self._require_started()
        with self._opening:
            if self._requester is None:
                driver = self._access_point.get_driver()
                requester = Requester(driver, self._access_point.namespace, self._compression)
                self._requester = requester.open()
        return self._requester

    def _close_requester(self) -> None:
        requester, self._requester = self._requester, None
        if requester is not None:
            requester.close()
