"""The push consumer on the embedded store, both faces."""

from time import monotonic

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio.primitives import Event, sleep
from openmessaging.runtime.interceptor import ConsumerInterceptor

SOON = Backoff(initial=0.01, jitter=0.0)


async def fill(access_point, queue: str, count: int, **headers: object) -> None:
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, b"%d" % number, **headers) for number in range(count)])


async def lag(access_point, queue: str = "orders", group: str = "g") -> int:
    return (await access_point.resource_manager().describe_group(queue, group)).lag


class Collector:
    """A listener that remembers, and tells when it has seen enough."""

    def __init__(self, enough: int) -> None:
        self.seen: list[bytes] = []
        self.done = Event()
        self._enough = enough

    async def __call__(self, message, context) -> None:
        self.seen.append(message.data)
        if len(self.seen) == self._enough:
            self.done.set()


async def test_a_listener_gets_all_in_order_and_its_return_acknowledges(url: str) -> None:
    async with connect(url) as access_point:
        collector = Collector(20)
        consumer = access_point.create_push_consumer(group="g")
        await consumer.bind_queue("orders", collector)
        async with consumer:
            await fill(access_point, "orders", 10)
            await fill(access_point, "orders", 10)
            assert await collector.done.wait_within(10)
        assert collector.seen == [b"%d" % number for number in range(10)] * 2
        assert await lag(access_point) == 0


async def test_a_refused_message_comes_back_and_the_others_go_on(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 5)
        collector = Collector(5)
        refused = []

        async def listener(message, context) -> None:
            if message.data == b"1" and message.delivery_count < 3:
                refused.append(message.delivery_count)
                raise ValueError("not yet")
            await collector(message, context)

        async with access_point.create_push_consumer(group="g", backoff=SOON) as consumer:
            await consumer.bind_queue("orders", listener)
            assert await collector.done.wait_within(10)
        assert refused == [1, 2]
        assert collector.seen == [b"0", b"2", b"3", b"4", b"1"]
        assert await lag(access_point) == 0


async def test_the_bad_message_of_a_batch_is_found_by_halving(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 16)
        calls: list[int] = []
        done = Event()

        async def listener(messages, context) -> None:
            calls.append(len(messages))
            if any(message.data == b"5" for message in messages):
                raise ValueError("poison")
            if messages[-1].data == b"15":
                done.set()

        backoff = Backoff(max_delivery=1)
        async with access_point.create_push_consumer(group="g", backoff=backoff, batch_size=16) as consumer:
            await consumer.bind_queue("orders", listener, batch=True)
            assert await done.wait_within(10)
        assert calls[:3] == [16, 8, 4]
        assert await lag(access_point) == 0
        name = (await access_point.resource_manager().describe_group("orders", "g")).dead_letter_queue
        async with access_point.create_pull_consumer(name, group="u") as consumer:
            assert [message.data for message in await consumer.batch_receive(timeout=5)] == [b"5"]


async def test_manual_acknowledgement_by_context(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 4)
        done = Event()
        errors: list[OMSRuntimeException] = []

        async def listener(messages, context) -> None:
            context.success(messages[0], messages[1].receipt)
            try:
                context.success(messages[0].receipt.parse(str(messages[0].receipt)).__class__("", "", 0, 9, 1, 1))
            except OMSRuntimeException as failure:
                errors.append(failure)
            done.set()

        async with access_point.create_push_consumer(group="g", ack="manual", batch_size=4) as consumer:
            await consumer.bind_queue("orders", listener, batch=True)
            assert await done.wait_within(10)
            await consumer.flush()
        assert errors[0].code == 1418
        assert await lag(access_point) == 2

        seen = Event()

        async def single(message, context) -> None:
            context.ack()
            context.ack()
            seen.set()

        async with access_point.create_push_consumer(group="h", ack="manual") as consumer:
            await consumer.bind_queue("orders", single)
            assert await seen.wait_within(10)
        assert await lag(access_point, group="h") < 4


async def test_a_plain_function_may_listen_and_be_replaced(memory: str) -> None:
    async with connect(memory) as access_point:
        first: list[bytes] = []
        second = Collector(2)
        arrived = Event()

        def listener(message, context) -> None:
            first.append(message.data)
            arrived.set()

        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("orders", listener)
            await fill(access_point, "orders", 1)
            assert await arrived.wait_within(10)
            await consumer.bind_queue("orders", second)
            await fill(access_point, "orders", 1)
            batches = Collector(3)

            async def by_batch(messages, context) -> None:
                for message in messages:
                    await batches(message, context)

            while len(second.seen) < 1:
                await sleep(0.001)
            await consumer.bind_queue("orders", by_batch, batch=True)
            await fill(access_point, "orders", 3)
            assert await batches.done.wait_within(10)
            await consumer.unbind_queue("orders")
            assert consumer.get_bind_queues() is None
            await fill(access_point, "orders", 1)
            await sleep(0.02)
        assert (first, second.seen, len(batches.seen)) == ([b"0"], [b"0"], 3)
        assert await lag(access_point) == 1


async def test_partitions_one_at_a_time_and_in_parallel(memory: str) -> None:
    async with connect(memory) as access_point:
        await access_point.resource_manager().create_queue("wide", partitions=3)
        for partition in range(3):
            await fill(access_point, "wide", 4, partition=partition)
        working: dict[int, int] = {}
        most_at_once: list[int] = []
        done = Event()
        seen: list[tuple[int, int]] = []

        async def listener(message, context) -> None:
            working[message.partition] = working.get(message.partition, 0) + 1
            assert working[message.partition] == 1
            most_at_once.append(sum(working.values()))
            await sleep(0.01)
            working[message.partition] -= 1
            seen.append((message.partition, message.offset))
            if len(seen) == 12:
                done.set()

        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("wide", listener)
            assert await done.wait_within(10)
        assert max(most_at_once) > 1
        for partition in range(3):
            assert [offset for where, offset in seen if where == partition] == [0, 1, 2, 3]


async def test_concurrency_is_bounded_and_keys_keep_their_order(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message("orders", b"%d" % n, message_key=f"k{n % 5}") for n in range(30)])
        at_once = 0
        most = 0
        seen: dict[str, list[int]] = {}
        done = Event()

        async def listener(message, context) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await sleep(0.002)
            at_once -= 1
            seen.setdefault(message.message_key, []).append(int(message.data))
            if sum(map(len, seen.values())) == 30:
                done.set()

        async with access_point.create_push_consumer(group="g", order="key", concurrency=3) as consumer:
            await consumer.bind_queue("orders", listener)
            assert await done.wait_within(10)
        assert 1 < most <= 3
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert await lag(access_point) == 0


async def test_suspend_and_resume(memory: str) -> None:
    async with connect(memory) as access_point:
        collector = Collector(3)
        consumer = access_point.create_push_consumer(group="g")
        await consumer.bind_queue("orders", collector)
        with pytest.raises(OMSRuntimeException) as caught:
            consumer.suspend()
        assert caught.value.code == 1503
        async with consumer:
            with pytest.raises(OMSRuntimeException, match="not suspended"):
                consumer.resume()
            consumer.suspend()
            assert consumer.is_suspended()
            await fill(access_point, "orders", 3)
            await sleep(0.05)
            assert collector.seen == []
            consumer.resume()
            assert await collector.done.wait_within(10)
            consumer.suspend(0.05)
            began = monotonic()
            later = Collector(1)
            await consumer.bind_queue("orders", later)
            await fill(access_point, "orders", 1)
            assert await later.done.wait_within(10)
            assert monotonic() - began >= 0.04
            consumer.suspend(60)
            consumer.suspend()


async def test_a_slow_listener_keeps_its_message_hidden_until_max_processing(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 1)
        seen: list[int] = []
        done = Event()

        async def listener(message, context) -> None:
            seen.append(message.delivery_count)
            await sleep(0.4)
            done.set()

        async with access_point.create_push_consumer(group="g", invisible_time=0.12) as consumer:
            await consumer.bind_queue("orders", listener)
            assert await done.wait_within(10)
        assert seen == [1]
        assert await lag(access_point) == 0


async def test_a_listener_over_its_time_loses_its_message(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 1)
        seen: list[int] = []
        again = Event()

        async def listener(message, context) -> None:
            seen.append(message.delivery_count)
            if len(seen) == 1:
                await again.wait_within(5)
            else:
                again.set()

        async with access_point.create_push_consumer(
            group="g", invisible_time=0.09, max_processing=0.05, concurrency=2
        ) as consumer:
            await consumer.bind_queue("orders", listener)
            assert await again.wait_within(10)
        assert seen == [1, 2]
        assert await lag(access_point) == 0


async def test_stopping_waits_for_the_listener_and_gives_back_the_rest(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "orders", 10)
        began = Event()
        finished: list[bytes] = []

        async def listener(message, context) -> None:
            began.set()
            await sleep(0.1)
            finished.append(message.data)

        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("orders", listener)
            assert await began.wait_within(10)
        assert finished == [b"0"]
        info = await access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (9, 0)


async def test_after_the_grace_the_message_goes_back(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 1)
        began, release = Event(), Event()

        async def listener(message, context) -> None:
            began.set()
            await release.wait_within(5)

        async with access_point.create_push_consumer(group="g", grace=0.02) as consumer:
            await consumer.bind_queue("orders", listener)
            assert await began.wait_within(10)
        info = await access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (1, 0)
        async with access_point.create_pull_consumer("orders", group="g") as consumer:
            assert (await consumer.receive(timeout=5)).delivery_count == 1
        release.set()


class Around(ConsumerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_receive(self, message, context) -> None:
        context.attributes["n"] = message.data.decode()
        if message.data == b"2" and message.delivery_count == 1:
            raise ValueError("refused before")

    def post_receive(self, message, context) -> None:
        self.seen.append(f"post {context.attributes['n']}")

    def on_error(self, message, context, error: BaseException) -> None:
        self.seen.append(f"error {context.attributes['n']} {error}")


async def test_interceptors_surround_the_listener(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 3)
        around = Around()
        collector = Collector(3)

        async def listener(message, context) -> None:
            assert context.attributes["n"] == message.data.decode()
            if message.data == b"1" and message.delivery_count == 1:
                raise ValueError("refused within")
            await collector(message, context)

        consumer = access_point.create_push_consumer(group="g", backoff=SOON)
        consumer.add_interceptor(around)
        await consumer.bind_queue("orders", listener)
        async with consumer:
            assert await collector.done.wait_within(10)
        assert sorted(around.seen) == ["error 1 refused within", "post 0", "post 1", "post 2"]


async def test_a_queue_that_may_not_be_created_fails_the_start(memory: str) -> None:
    async with connect(memory) as access_point:
        consumer = access_point.create_push_consumer(group="g")
        await consumer.bind_queue("orders", print)
        await consumer.bind_queue("zzz://orders", print)
        with pytest.raises(OMSDestinationException):
            await consumer.start()
        await consumer.unbind_queue("zzz://orders")
        async with consumer:
            assert consumer.get_bind_queues() == {"default://orders"}


async def test_the_pump_goes_on_after_a_failed_fetch(memory: str) -> None:
    async with connect(memory) as access_point:
        collector = Collector(1)
        async with access_point.create_push_consumer(group="g") as consumer:
            await consumer.bind_queue("orders", collector)
            await access_point.resource_manager().delete_group("orders", "g")
            await sleep(0.05)
        assert collector.seen == []
