"""One access point of the asyncio face, shared by several event loops and by tasks within them."""

import asyncio
import threading

import pytest

from openmessaging import AccessPoint, connect
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.state import ServiceState


async def work(access_point: AccessPoint, name: str, stored: list[str]) -> None:
    async with access_point, access_point.create_producer() as producer:
        results = await asyncio.gather(*[producer.send(producer.create_message(name, b"x")) for _ in range(20)])
        stored.extend(result.message_id for result in results)
        async with access_point.create_pull_consumer(name) as consumer:
            messages = await consumer.batch_receive(20, timeout=5)
            await consumer.ack(messages)
            assert len(messages) == 20


def test_each_loop_opens_and_closes_its_own(url: str) -> None:
    access_point = connect(url)
    stored: list[str] = []
    failures: list[BaseException] = []

    def run(name: str) -> None:
        try:
            asyncio.run(work(access_point, name, stored))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(f"q{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(set(stored)) == 80
    assert access_point.current_state is ServiceState.STOPPED


async def test_many_tasks_open_it_once(memory: str) -> None:
    access_point = connect(memory)
    drivers = await asyncio.gather(*[access_point.get_driver() for _ in range(10)])
    assert len({id(driver) for driver in drivers}) == 1
    await access_point.close()
    with pytest.raises(OMSRuntimeException, match="stopped"):
        await access_point.get_driver()
