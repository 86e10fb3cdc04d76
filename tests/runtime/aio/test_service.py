"""Service endpoints: what becomes of requests whose handler does not come to its end, and of plain messages."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio.primitives import Event, Task, sleep
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.rpc import OMSRemoteException


class Asking:
    """A request that runs beside the test."""

    def __init__(self, producer, body: bytes = b"", **more: object) -> None:
        self.answer: bytes | None = None
        self.failure: OMSRuntimeException | None = None
        self.task = Task(self._ask, producer, body, more)

    async def _ask(self, producer, body: bytes, more) -> None:
        try:
            self.answer = (await producer.request(producer.create_message("q", body), **more)).data
        except OMSRuntimeException as failure:
            self.failure = failure


def test_settings_are_checked(memory: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        connect(memory).create_service("q", print, concurrency=0)
    assert caught.value.field == "concurrency"


async def test_a_stopped_service_leaves_idempotent_requests_to_another_and_tells_of_the_rest(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        begun, go_on = [], Event()

        async def hangs(request) -> bytes:
            begun.append(request)
            await go_on.wait_within(20)
            return b"late"

        service = access_point.create_service("q", hangs, concurrency=2, grace=0.05)
        await service.start()
        once, again = Asking(producer), Asking(producer, idempotent=True)
        while len(begun) < 2:
            await sleep(0.01)
        async with access_point.create_service("q", lambda request: b"other"):
            await service.stop()
            assert await once.task.join(5)
            assert await again.task.join(5)
        assert isinstance(once.failure, OMSRemoteException)
        assert once.failure.code == 1503
        assert again.answer == b"other"
        go_on.set()


async def test_a_request_whose_lease_was_lost_is_handled_again_only_if_that_is_allowed(memory: str) -> None:
    """As when the process of a service dies: the lease ends, and another gets the request."""
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        seen = []

        def handler(request) -> bytes:
            seen.append(request.delivery_count)
            return b"done"

        quick = Backoff(initial=0.01, jitter=0.0, max_delivery=3)
        await access_point.resource_manager().create_queue("q")
        async with access_point.create_service("q", handler, backoff=quick):
            pass  # the group is there
        dying = access_point.create_pull_consumer("q", group="default", prefetch=1, invisible_time=0.1)
        async with dying, access_point.create_service("other", handler):
            service = access_point.create_service("q", handler, backoff=quick)
            serving = _Serving(producer)
            for idempotent in (True, False):
                asking = Asking(serving, idempotent=idempotent, timeout=10.0)
                message = await dying.receive(10)
                await message.nack(0.01)
                async with service:
                    assert await asking.task.join(10)
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

    async def request(self, message, **more: object):
        requester = await self._producer._get_requester()
        requester._mailboxes = _Found(requester._mailboxes)
        return await self._producer.request(message, **more)


class _Found:
    def __init__(self, mailboxes) -> None:
        self._mailboxes = mailboxes

    def ask(self, batch, done):
        self._mailboxes.submit(batch, done)

    def __getattr__(self, name: str):
        return getattr(self._mailboxes, name)


async def test_requests_of_one_who_is_gone_are_not_handled(memory: str) -> None:
    async with connect(memory) as access_point:
        seen, go_on = [], Event()

        async def handler(request) -> bytes:
            seen.append(request.data)
            if request.data == b"first":
                await go_on.wait_within(10)
            return b""

        async with access_point.create_service("q", handler, concurrency=1) as service:
            producer = access_point.create_producer()
            await producer.start()
            Asking(producer, b"first")
            while not seen:
                await sleep(0.01)
            Asking(producer, b"second")
            await sleep(0.05)
            await producer.stop()
            go_on.set()
            async with access_point.create_producer() as another:
                await another.request(another.create_message("q", b"third"))
            assert seen == [b"first", b"third"]
            assert service.statistics.orphaned + service.statistics.cancelled == 2


async def test_a_plain_message_is_handled_and_comes_again_when_that_fails(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        seen, done = [], Event()

        def handler(request) -> None:
            seen.append((request.reply_to, request.delivery_count))
            if len(seen) < 2:
                raise ValueError("not yet")
            done.set()

        quick = Backoff(initial=0.01, jitter=0.0)
        async with access_point.create_service("q", handler, backoff=quick):
            await producer.send(producer.create_message("q", b"x"))
            assert await done.wait_within(5)
        assert seen == [(None, 1), (None, 2)]


async def test_requests_are_handled_side_by_side_up_to_the_concurrency(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        here, most, go_on = [], [], Event()

        async def handler(request) -> None:
            here.append(1)
            most.append(len(here))
            await go_on.wait_within(10)
            here.pop()

        async with access_point.create_service("q", handler, concurrency=3):
            asked = [Asking(producer) for _ in range(7)]
            while len(most) < 3:
                await sleep(0.01)
            await sleep(0.05)
            assert len(most) == 3
            go_on.set()
            for asking in asked:
                assert await asking.task.join(5)
                assert asking.answer == b""
        assert max(most) == 3


async def test_leases_last_as_long_as_the_handler(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        calls = []

        async def handler(request) -> bytes:
            calls.append(1)
            await sleep(0.5)
            return b"done"

        async with access_point.create_service("q", handler, invisible_time=0.15):
            asked = [Asking(producer, idempotent=True) for _ in range(2)]
            for asking in asked:
                assert await asking.task.join(5)
                assert asking.answer == b"done"
        assert len(calls) == 2


async def test_hooks_run_around_the_handler(memory: str) -> None:
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

    async with connect(memory) as access_point, access_point.create_producer() as producer:
        noting = Noting()
        service = access_point.create_service("q", handler)
        service.add_interceptor(noting)
        async with service:
            await producer.request(producer.create_message("q", b""))
            with pytest.raises(OMSRemoteException):
                await producer.request(producer.create_message("q", b"x"))
            service.remove_interceptor(noting)
            await producer.request(producer.create_message("q", b""))
    assert called == ["pre", "post", "pre", "no"]


async def test_a_service_starts_again(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        service = access_point.create_service("q", lambda request: request.data)
        for _ in range(2):
            async with service:
                assert (await producer.request(producer.create_message("q", b"x"))).data == b"x"
