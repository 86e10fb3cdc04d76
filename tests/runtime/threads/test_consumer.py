# Generated from tests/runtime/aio/test_consumer.py by scripts/unasync.py: change that file instead.
from contextlib import AbstractContextManager

import pytest

from openmessaging.blocking import connect
from openmessaging.model.spi import Backoff
from openmessaging.runtime.interceptor import ConsumerInterceptor, Reception
from openmessaging.runtime.threads.primitives import Event


def test_binding_by_name_before_the_start(memory: str) -> None:
    with connect(memory, namespace="default") as access_point:
        consumer = access_point.create_pull_consumer(["a", "default://b"])
        assert consumer.get_bind_queues() == {"default://a", "default://b"}
        consumer.unbind_queue("a")
        consumer.bind_queue("c")
        assert (consumer.is_bind_queue("a"), consumer.is_bind_queue("c")) == (False, True)
        assert consumer.group == "default"
        interceptor = ConsumerInterceptor()
        consumer.add_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        consumer.remove_interceptor(interceptor)
        with consumer:
            assert access_point.resource_manager().list_queues() == {"default://b", "default://c"}


class Refusing(ConsumerInterceptor):
    """Refuses to begin, once."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def around(self, reception: Reception) -> AbstractContextManager[object]:
        self.seen.append(f"{reception.operation} {reception.group}")
        if len(self.seen) == 1:
            raise ValueError("not now")
        return super().around(reception)


def test_what_is_around_may_refuse_and_the_messages_come_again(memory: str) -> None:
    backoff = Backoff(initial=0.0)
    with connect(memory) as access_point:
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("orders", b"x"), producer.create_message("orders", b"y")])
        pulling = Refusing()
        consumer = access_point.create_pull_consumer("orders", "pull", backoff=backoff)
        consumer.add_interceptor(pulling)
        with consumer:
            with pytest.raises(ValueError, match="not now"):
                consumer.batch_receive(timeout=5)
            found = [consumer.receive(timeout=5) for _ in range(2)]
            assert sorted(message.data for message in found) == [b"x", b"y"]
        pushing = Refusing()
        done = Event()
        consumer = access_point.create_push_consumer("push", backoff=backoff)
        consumer.add_interceptor(pushing)

        def listener(message, context) -> None:
            if len(pushing.seen) == 3:
                done.set()

        consumer.bind_queue("orders", listener)
        with consumer:
            assert done.wait_within(10)
        assert (pulling.seen, pushing.seen) == (["receive pull"] * 3, ["process push"] * 3)
