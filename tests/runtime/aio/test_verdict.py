"""What a listener may raise, both faces."""

from openmessaging import connect
from openmessaging.runtime.aio.primitives import Event
from openmessaging.runtime.verdict import Reject, Retry


async def test_a_listener_may_reject_or_put_off(memory: str) -> None:
    async with connect(memory) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("orders", b"%d" % number) for number in range(3)])
        seen: list[tuple[bytes, int]] = []
        done = Event()

        async def listener(message, context) -> None:
            seen.append((message.data, message.delivery_count))
            if len(seen) == 4:
                done.set()
            if message.data == b"0":
                raise Reject("never")
            if message.data == b"1" and message.delivery_count == 1:
                raise Retry(0.01)

        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("orders", listener)
            assert await done.wait_within(10)
        assert seen == [(b"0", 1), (b"1", 1), (b"2", 1), (b"1", 2)]
        name = (await access_point.resource_manager().describe_group("orders", "g")).dead_letter_queue
        async with access_point.create_pull_consumer(name, group="u") as consumer:
            [dead] = await consumer.batch_receive(timeout=5)
            assert (dead.data, dead.properties["dead-letter.reason"]) == (b"0", "never")
