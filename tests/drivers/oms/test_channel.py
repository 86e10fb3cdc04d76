"""A driver whose connections break: nothing is lost, nothing is stored twice, calls say what they know."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import openmessaging as oms
from openmessaging.drivers.oms import channel, link
from openmessaging.model.errors import OMSRuntimeException
from tests.firewall import Between
from tests.servers import serving


@pytest.mark.parametrize("seed", range(4))
def test_connections_that_tear_at_any_byte(tmp_path: Path, seed: int) -> None:
    async def work(port: int) -> None:
        async with Between(port, random.Random(seed)) as proxy:
            url = f"oms:oms://127.0.0.1:{proxy.port}/test"
            received: Counter[bytes] = Counter()
            total = 400
            async with oms.connect(url) as access_point, access_point.create_producer() as producer:

                async def send(sender: int) -> None:
                    for number in range(total // 4):
                        body = b"%d.%d" % (sender, number)
                        await producer.send(producer.create_message("orders", body))

                async with access_point.create_pull_consumer("orders", group="g") as consumer:
                    sending = asyncio.gather(*(send(sender) for sender in range(4)))
                    while len(received) < total:
                        message = await consumer.receive(timeout=20)
                        assert message is not None, f"{len(received)} of {total}"
                        received[message.data] += 1
                        await message.ack()
                    await sending
            async with oms.connect(f"oms:oms://127.0.0.1:{port}/test") as direct:
                info = await direct.resource_manager().describe_queue("orders")
                assert info.messages == total, "each was stored once, whatever had to be sent again"
            assert proxy.torn > 3, "the test tears too seldom to show anything"
            again = sum(received.values()) - total
            assert again <= 40 * proxy.torn, "redelivered is only what was in flight"

    with serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}) as server:
        asyncio.run(asyncio.wait_for(work(server.port), 60))


def start(store: Path, port: int) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(store), "--listen", str(port)]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "oms:oms://" in line, line
    return process


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, unused_port: int) -> None:
    async def work() -> None:
        process = start(tmp_path / "store", unused_port)
        try:
            url = f"oms:oms://127.0.0.1:{unused_port}/test"
            received: Counter[bytes] = Counter()
            async with oms.connect(url) as access_point, access_point.create_producer() as producer:
                await producer.send(producer.create_message("orders", b"first"))
                confirmed = {b"first"}
                done, progress = asyncio.Event(), asyncio.Event()

                async def send() -> None:
                    for number in range(300):
                        body = b"%d" % number
                        await producer.send(producer.create_message("orders", body))
                        confirmed.add(body)
                        progress.set()
                    done.set()

                async def receive() -> None:
                    async with access_point.create_pull_consumer("orders", group="g", invisible_time=2.0) as consumer:
                        while not done.is_set() or confirmed - set(received):
                            message = await consumer.receive(timeout=0.2)
                            if message is not None:
                                received[message.data] += 1
                                await message.ack()

                tasks = [asyncio.ensure_future(send()), asyncio.ensure_future(receive())]
                for _ in range(3):
                    seen = len(confirmed)
                    while len(confirmed) < min(seen + 40, 301):
                        progress.clear()
                        await progress.wait()
                    process.kill()
                    process.wait()
                    process = start(tmp_path / "store", unused_port)
                await asyncio.wait_for(asyncio.gather(*tasks), 60)
                assert confirmed <= set(received)
                assert (await access_point.resource_manager().describe_queue("orders")).messages <= 301
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0

    asyncio.run(work())


def test_without_a_server(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    async def work() -> None:
        with pytest.raises(OMSRuntimeException, match=r"10000 .*oms serve"):
            async with oms.connect(f"oms:oms://127.0.0.1:{unused_port}/test"):
                pass

    asyncio.run(work())


def test_when_the_server_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PATIENCE", 0.2)

    async def begin(url: str) -> None:
        access_point = oms.connect(url)
        await access_point.startup()
        producer = access_point.create_producer()
        await producer.startup()
        await producer.send(producer.create_message("orders", b"x"))
        states.append((access_point, producer))

    async def go_on() -> None:
        access_point, producer = states[0]
        with pytest.raises(OMSRuntimeException) as caught:
            await producer.send(producer.create_message("orders", b"x"))
        assert caught.value.code in (1410, 1503)
        with pytest.raises(OMSRuntimeException, match="1503"):
            await access_point.resource_manager().list_queues()
        await access_point.shutdown()

    states: list[tuple[oms.AccessPoint, oms.Producer]] = []
    with asyncio.Runner() as runner:
        with serving(f"oms:embedded://{tmp_path}/store") as server:
            runner.run(begin(server.url))
        runner.run(asyncio.wait_for(go_on(), 20))


def test_the_next_host_is_taken(tmp_path: Path, unused_port: int) -> None:
    async def work(port: int) -> None:
        url = f"oms:oms://127.0.0.1:{unused_port},127.0.0.1:{port}/test"
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            assert (await producer.send(producer.create_message("orders", b"x"))).offset == 0

    with serving(f"oms:embedded://{tmp_path}/store") as server:
        asyncio.run(work(server.port))


def test_a_host_that_does_not_answer_is_left_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "HELLO_TIMEOUT", 0.2)

    async def work(port: int) -> None:
        silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        url = f"oms:oms://127.0.0.1:{silent.sockets[0].getsockname()[1]},127.0.0.1:{port}/test"
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            assert (await producer.send(producer.create_message("orders", b"x"))).offset == 0
        silent.close()

    with serving(f"oms:embedded://{tmp_path}/store") as server:
        asyncio.run(work(server.port))
