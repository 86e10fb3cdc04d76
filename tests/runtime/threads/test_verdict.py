# Generated from tests/runtime/aio/test_verdict.py by scripts/unasync.py: change that file instead.
"""What a listener may raise, both faces."""

from openmessaging.blocking import connect
from openmessaging.runtime.threads.primitives import Event
from openmessaging.runtime.verdict import Reject, Retry


def test_a_listener_may_reject_or_put_off(memory: str) -> None:
    with connect(memory) as access_point:
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("orders", b"%d" % number) for number in range(3)])
        seen: list[tuple[bytes, int]] = []
        done = Event()

        def listener(message, context) -> None:
            seen.append((message.data, message.delivery_count))
            if len(seen) == 4:
                done.set()
            if message.data == b"0":
                raise Reject("never")
            if message.data == b"1" and message.delivery_count == 1:
                raise Retry(0.01)

        with access_point.create_push_consumer(group="g") as consumer:
            consumer.bind_queue("orders", listener)
            assert done.wait_within(10)
        assert seen == [(b"0", 1), (b"1", 1), (b"2", 1), (b"1", 2)]
        name = (access_point.resource_manager().describe_group("orders", "g")).dead_letter_queue
        with access_point.create_pull_consumer(name, group="u") as consumer:
            [dead] = consumer.batch_receive(timeout=5)
            assert (dead.data, dead.properties["dead-letter.reason"]) == (b"0", "never")
