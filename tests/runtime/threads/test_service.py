# Generated from tests/runtime/aio/test_service.py by scripts/unasync.py: change that file instead.
"""Service endpoints: what becomes of requests whose handler does not come to its end, and of plain messages."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.rpc import OMSRemoteException
from openmessaging.runtime.threads.primitives import Event, Task, sleep


class Asking:
    """A request that runs beside the test."""

    def __init__(self, producer, body: bytes = b"", **more: object) -> None:
        self.answer: bytes | None = None
        self.failure: OMSRuntimeException | None = None
        self.task = Task(self._ask, producer, body, more)

    def _ask(self, producer, body: bytes, more) -> None:
        try:
            self.answer = (producer.request(producer.create_message("q", body), **more)).data
        except OMSRuntimeException as failure:
            self.failure = failure


def test_settings_are_checked(memory: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        connect(memory).create_service("q", print, concurrency=0)
    assert caught.value.field == "concurrency"


def test_a_stopped_service_leaves_idempotent_requests_to_another_and_tells_of_the_rest(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        begun, go_on = [], Event()

        def hangs(request) -> bytes:
            begun.append(request)
            go_on.wait_within(20)
            return b"late"

        service = access_point.create_service("q", hangs, concurrency=2, grace=0.05)
        service.start()
        once, again = Asking(producer), Asking(producer, idempotent=True)
        while len(begun) < 2:
            sleep(0.01)
        with access_point.create_service("q", lambda request: b"other"):
            service.stop()
            assert once.task.join(5)
            assert again.task.join(5)
        assert isinstance(once.failure, OMSRemoteException)
        assert once.failure.code == 1503
        assert again.answer == b"other"
        go_on.set()


def test_a_request_whose_lease_was_lost_is_handled_again_only_if_that_is_allowed(memory: str) -> None:
    """As when the process of a service dies: the lease ends, and another gets the request."""
    with connect(memory) as access_point, access_point.create_producer() as producer:
        seen = []

        def handler(request) -> bytes:
            seen.append(request.delivery_count)
            return b"done"

        quick = Backoff(initial=0.01, jitter=0.0, max_delivery=3)
        access_point.resource_manager().create_queue("q")
        with access_point.create_service("q", handler, backoff=quick):
            pass  # the group is there
        dying = access_point.create_pull_consumer("q", group="default", prefetch=1, invisible_time=0.1)
        with dying, access_point.create_service("other", handler):
            service = access_point.create_service("q", handler, backoff=quick)
            serving = _Serving(producer)
            for idempotent in (True, False):
                asking = Asking(serving, idempotent=idempotent, timeout=10.0)
                message = dying.receive(10)
                message.nack(0.01)
                with service:
                    assert asking.task.join(10)
                if idempotent:
                    assert (asking.answer, seen) == (b"done", [2])
                else:
                    assert (asking.failure.code, seen) == (1503, [2])
            assert service.statistics.interrupted == 1


class _Serving:
    """A producer that takes a queue to be served, whoever serves it."""

    def __init__(self, producer) -> None:
        self._producer = producer
        self.create_message = producer.create_message

    def request(self, message, **more: object):
        requester = self._producer._get_requester()
        requester._mailboxes = _Found(requester._mailboxes)
        return self._producer.request(message, **more)


class _Found:
    def __init__(self, mailboxes) -> None:
        self._mailboxes = mailboxes

    def ask(self, batch, done):
        self._mailboxes.submit(batch, done)

    def __getattr__(self, name: str):
        return getattr(self._mailboxes, name)


def test_requests_of_one_who_is_gone_are_not_handled(memory: str) -> None:
    with connect(memory) as access_point:
        seen, go_on = [], Event()

        def handler(request) -> bytes:
            seen.append(request.data)
            if request.data == b"first":
                go_on.wait_within(10)
            return b""

        with access_point.create_service("q", handler, concurrency=1) as service:
            producer = access_point.create_producer()
            producer.start()
            Asking(producer, b"first")
            while not seen:
                sleep(0.01)
            Asking(producer, b"second")
            sleep(0.05)
            producer.stop()
            go_on.set()
            with access_point.create_producer() as another:
                another.request(another.create_message("q", b"third"))
            assert seen == [b"first", b"third"]
            assert service.statistics.orphaned + service.statistics.cancelled == 2


def test_a_plain_message_is_handled_and_comes_again_when_that_fails(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        seen, done = [], Event()

        def handler(request) -> None:
            seen.append((request.reply_to, request.delivery_count))
            if len(seen) < 2:
                raise ValueError("not yet")
            done.set()

        quick = Backoff(initial=0.01, jitter=0.0)
        with access_point.create_service("q", handler, backoff=quick):
            producer.send(producer.create_message("q", b"x"))
            assert done.wait_within(5)
        assert seen == [(None, 1), (None, 2)]


def test_requests_are_handled_side_by_side_up_to_the_concurrency(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        here, most, go_on = [], [], Event()

        def handler(request) -> None:
            here.append(1)
            most.append(len(here))
            go_on.wait_within(10)
            here.pop()

        with access_point.create_service("q", handler, concurrency=3):
            asked = [Asking(producer) for _ in range(7)]
            while len(most) < 3:
                sleep(0.01)
            sleep(0.05)
            assert len(most) == 3
            go_on.set()
            for asking in asked:
                assert asking.task.join(5)
                assert asking.answer == b""
        assert max(most) == 3


def test_leases_last_as_long_as_the_handler(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        calls = []

        def handler(request) -> bytes:
            calls.append(1)
            sleep(0.5)
            return b"done"

        with access_point.create_service("q", handler, invisible_time=0.15):
            asked = [Asking(producer, idempotent=True) for _ in range(2)]
            for asking in asked:
                assert asking.task.join(5)
                assert asking.answer == b"done"
        assert len(calls) == 2


def test_hooks_run_around_the_handler(memory: str) -> None:
    called = []

    class Noting(ConsumerInterceptor):
        def pre_receive(self, message, context) -> None:
            called.append("pre")

        def post_receive(self, message, context) -> None:
            called.append("post")

        def on_error(self, message, context, error) -> None:
            called.append(str(error))

    def handler(request) -> None:
        if request.data:
            raise ValueError("no")

    with connect(memory) as access_point, access_point.create_producer() as producer:
        noting = Noting()
        service = access_point.create_service("q", handler)
        service.add_interceptor(noting)
        with service:
            producer.request(producer.create_message("q", b""))
            with pytest.raises(OMSRemoteException):
                producer.request(producer.create_message("q", b"x"))
            service.remove_interceptor(noting)
            producer.request(producer.create_message("q", b""))
    assert called == ["pre", "post", "pre", "no"]


def test_a_service_starts_again(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        service = access_point.create_service("q", lambda request: request.data)
        for _ in range(2):
            with service:
                assert (producer.request(producer.create_message("q", b"x"))).data == b"x"
