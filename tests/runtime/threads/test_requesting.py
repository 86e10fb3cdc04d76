# Generated from tests/runtime/aio/test_requesting.py by scripts/unasync.py: change that file instead.
"""The asking side of a producer: what is opened when, and hooks."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.interceptor import ProducerInterceptor
from openmessaging.runtime.threads.primitives import Event, Task, sleep


class Noting(ProducerInterceptor):
    """Writes down what is called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def pre_send(self, message, context) -> None:
        self.called.append("pre")

    def post_send(self, message, context) -> None:
        self.called.append("post")

    def on_error(self, message, context, error) -> None:
        self.called.append(type(error).__name__)


def test_hooks_run_around_a_request(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        noting = Noting()
        producer.add_interceptor(noting)
        with pytest.raises(OMSRuntimeException):
            producer.request(producer.create_message("q", b""))
        with access_point.create_service("q", lambda request: None):
            assert (producer.request(producer.create_message("q", b""))).data == b""
        assert noting.called == ["pre", "OMSRuntimeException", "pre", "post"]


def test_a_producer_that_is_not_started_asks_nothing(memory: str) -> None:
    with connect(memory) as access_point:
        producer = access_point.create_producer()
        assert producer.late_replies == 0
        with pytest.raises(OMSRuntimeException) as caught:
            producer.request(producer.create_message("q", b""))
        assert caught.value.code == 1503


def test_stopping_a_producer_fails_what_it_waits_for(memory: str) -> None:
    with connect(memory) as access_point:
        begun, go_on, failed = Event(), Event(), []

        def handler(request) -> None:
            begun.set()
            go_on.wait_within(10)

        with access_point.create_service("q", handler) as service:
            producer = access_point.create_producer()
            producer.start()

            def ask(request) -> None:
                try:
                    request(producer.create_message("q", b""))
                except OMSRuntimeException as failure:
                    failed.append(failure.code)

            def gather(message) -> None:
                producer.request_all(message)

            def walk(message) -> None:
                for _ in producer.request_stream(message):
                    pass

            tasks = [Task(ask, request) for request in (producer.request, gather, walk)]
            while service.statistics.requests < 3:
                sleep(0.01)
            producer.stop()
            for task in tasks:
                assert task.join(5)
            assert failed == [1503] * 3
            go_on.set()
